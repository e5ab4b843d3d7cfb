import { testRelease } from './release.ts'

testRelease('4.0')
