import { channel } from 'node:diagnostics_channel'
import type { CrashPoint } from './crash-points.ts'
import type { AcuseError } from './errors.ts'
import type { BreakerState } from './breaker.ts'
import type { DeathReason } from './store.ts'

interface About {
  readonly service: string
  readonly id: string
  readonly type: string
  readonly stream: string
  readonly key: string | null
}

interface AboutGroup extends About {
  readonly group: string
}

/** What happens, by channel: `acuse:<name>` in `node:diagnostics_channel`. No payload is ever among it. */
export interface Diagnostics {
  /** Written into the log within a transaction that may still roll back. */
  published: About & { readonly scheduled: boolean }
  /** A message's effects are committed. `latencyMs` is from its publishing to now, by the clocks of two machines. */
  applied: AboutGroup & { readonly attempts: number; readonly durationMs: number; readonly latencyMs: number }
  /** Seen before; nothing was done. `conflict`: under the same id it has another body. */
  duplicate: AboutGroup & { readonly conflict: boolean }
  /** An attempt failed. */
  failed: AboutGroup & { readonly attempts: number; readonly error: unknown }
  /** It waits for its next attempt. */
  retrying: AboutGroup & { readonly attempts: number; readonly retryInMs: number }
  /** It waits behind an earlier message of its key. */
  blocked: AboutGroup
  dead: AboutGroup & { readonly reason: DeathReason; readonly attempts: number; readonly error: unknown }
  /** A relay's publish was confirmed or failed. */
  relayed: About & { readonly delivered: boolean; readonly error: AcuseError | null }
  breaker: { readonly service: string; readonly group: string; readonly state: BreakerState }
  /** Something in the background failed, and will be tried again. */
  error: { readonly service: string; readonly error: AcuseError }
  /** The code stands before or after an external call: where a fault-injecting test may end the process. */
  point: { readonly name: CrashPoint }
}

/** Tells whoever listens. Costs a property read when nobody does. */
export function tell<Name extends keyof Diagnostics>(name: Name, what: Diagnostics[Name]): void {
  const target = channels[name]
  if (target.hasSubscribers) target.publish(what)
}

/** Listens to one kind of event; the returned function stops it. */
export function listen<Name extends keyof Diagnostics>(
  name: Name,
  listener: (what: Diagnostics[Name]) => void,
): () => void {
  // A channel passes what was published on it, and only `tell` publishes on ours.
  const onMessage = (message: unknown): void => listener(message as Diagnostics[Name])
  channels[name].subscribe(onMessage)
  return () => {
    channels[name].unsubscribe(onMessage)
  }
}

/** Marks a place before or after an external call. */
export function point(name: CrashPoint): void {
  if (channels.point.hasSubscribers) channels.point.publish({ name } satisfies Diagnostics['point'])
}

const channels = {
  published: channel('acuse:published'),
  applied: channel('acuse:applied'),
  duplicate: channel('acuse:duplicate'),
  failed: channel('acuse:failed'),
  retrying: channel('acuse:retrying'),
  blocked: channel('acuse:blocked'),
  dead: channel('acuse:dead'),
  relayed: channel('acuse:relayed'),
  breaker: channel('acuse:breaker'),
  error: channel('acuse:error'),
  point: channel('acuse:point'),
}
