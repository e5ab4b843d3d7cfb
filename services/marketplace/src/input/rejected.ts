import type { RejectedLine } from './order-input.ts'

export function rejected(line: number, invoice: string | null, reason: string): RejectedLine {
  return { kind: 'rejected', line, invoice, reason }
}
