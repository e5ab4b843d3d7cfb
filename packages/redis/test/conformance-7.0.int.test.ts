import { testRelease } from './release.ts'

testRelease('7.0')
