import { createHash } from 'node:crypto'
import { installed } from '../cache.ts'

/** The releases of Debian whose packages are used. */
export type Suite = 'bookworm' | 'trixie'

/** What is installed of each, by apt's names. */
export const packagesOf: Readonly<Record<Suite, readonly string[]>> = {
  bookworm: ['rabbitmq-server', 'redis-server', 'nats-server', 'pgbouncer'],
  trixie: ['rabbitmq-server', 'redis-server', 'nats-server', 'nftables'],
}

/** Counts up when roots are made in another way, so that those made before are not used any more. */
const wayOfMaking = 2

/** The name of a suite's root in the cache: another list of packages is another root. */
export function rootName(suite: Suite): string {
  const content = JSON.stringify([wayOfMaking, suite, packagesOf[suite]])
  return `${suite}-${createHash('sha256').update(content).digest('hex').slice(0, 10)}`
}

/**
 * The root of a suite.
 *
 * @throws Error when it is not installed.
 */
export function rootOf(suite: Suite): string {
  return installed(rootName(suite), `Debian ${suite} with ${packagesOf[suite].join(', ')}`)
}
