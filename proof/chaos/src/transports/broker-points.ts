import type { CrashPoint } from '@acuse/core'

/** A service's log is its outbox then, and nobody publishes to it as to a transport. */
const ofLogAsTransport: readonly CrashPoint[] = ['log.beforePublish', 'log.afterPublish']

/** The crash points of a run whose transport is a broker. */
export function passesBroker(point: CrashPoint): boolean {
  return !ofLogAsTransport.includes(point)
}
