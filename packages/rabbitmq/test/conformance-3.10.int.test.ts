import { testRelease } from './release.ts'

testRelease('3.10')
