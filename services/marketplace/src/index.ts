export type { Summary } from './display/summary-type.ts'
