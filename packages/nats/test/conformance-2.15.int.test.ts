import { testRelease } from './release.ts'

testRelease('2.15')
