import { testProtocol } from './release.ts'

testProtocol('classic')
