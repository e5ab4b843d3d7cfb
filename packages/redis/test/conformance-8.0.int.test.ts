import { testRelease } from './release.ts'

testRelease('8.0')
