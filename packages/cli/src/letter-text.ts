import type { DeadLetter } from '@acuse/core'
import { table } from './output.ts'

const headings = ['ID', 'DIED', 'GROUP', 'TYPE', 'KEY', 'STATE', 'ATTEMPTS', 'REASON', 'FINGERPRINT', 'ERROR']

export function deadLetterTable(letters: readonly DeadLetter[]): string {
  return table(
    headings,
    letters.map(({ id, diedAt, group, message, state, blocking, attempts, reason, fingerprint, error }) => [
      id,
      diedAt.toISOString(),
      group,
      message.type,
      message.key ?? '-',
      blocking ? `${state}, holds its key` : state,
      String(attempts),
      reason,
      fingerprint,
      error.message,
    ]),
  )
}

/** Everything that is known of a letter. A body that is no text is given in base64. */
export function letterDocument({ message, ...letter }: DeadLetter): unknown {
  return { ...letter, message: { ...message, ...bodyOf(message.body) } }
}

function bodyOf(bytes: Uint8Array): { readonly body: string; readonly encoding: 'utf-8' | 'base64' } {
  try {
    return { body: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), encoding: 'utf-8' }
  } catch {
    return { body: Buffer.from(bytes).toString('base64'), encoding: 'base64' }
  }
}
