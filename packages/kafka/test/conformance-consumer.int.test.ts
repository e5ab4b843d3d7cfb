import { testProtocol } from './release.ts'

testProtocol('consumer')
