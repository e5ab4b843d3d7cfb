import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet } from './fleet.ts'
import { groups } from './plan.ts'
import type { Scene, Service } from './scene.ts'
import { countRows } from './collect.ts'
import { kindsOf } from './subscriptions.ts'

const lookEveryMs = 500
const restPerLook = 4

/** How a run stands once nothing happens any more. */
export interface Drained {
  readonly inTime: boolean
  readonly tookMs: number
  /** What it still waited for, in words. */
  readonly missing: string
}

export interface DrainLimits {
  readonly withinMs: number
  /** Given up earlier when nothing has changed for so long. */
  readonly stalledMs: number
}

/** Waits until all that was committed is applied or dead and nothing waits. */
export async function drain(
  scene: Scene,
  fleet: Fleet,
  { withinMs, stalledMs }: DrainLimits,
  aborted: AbortSignal,
): Promise<Drained> {
  const beganMs = performance.now()
  let [before, changedMs] = ['', beganMs]
  for (;;) {
    const lookedAtMs = performance.now()
    const missing = await whatIsMissing(scene, fleet).catch((error: unknown) => String(error))
    if (missing !== before) [before, changedMs] = [missing, performance.now()]
    const tookMs = performance.now() - beganMs
    const isOver = tookMs > withinMs || performance.now() - changedMs > stalledMs || aborted.aborted
    if (missing === '' || isOver) return { inTime: missing === '', tookMs, missing }
    // Counting takes the server's time from those who are to come to an end: a tenth of it, on a slow machine.
    const restMs = Math.min(restPerLook * (performance.now() - lookedAtMs), withinMs - tookMs)
    await sleep(Math.max(lookEveryMs, restMs))
  }
}

/** By counting alone, which costs little while the rest is under way; the checker compares message by message afterwards. */
async function whatIsMissing(scene: Scene, fleet: Fleet): Promise<string> {
  const missing: string[] = []
  const flows = await countRows(scene.storeUrl('producer'), 'flow')
  for (const service of [...groups, 'saga'] as const satisfies readonly Service[]) {
    const { parked, dead } = await fleet.standing(service)
    const kinds = kindsOf(service)
    const committed = await countRows(scene.storeUrl('producer'), 'committed', kinds)
    const applied = await countRows(scene.storeUrl(service), 'effects', kinds)
    const open = committed - applied - new Set(dead.map(({ id }) => id)).size
    const waiting = Object.values(parked).reduce((sum, count) => sum + count, 0)
    const unclosed = service === 'saga' ? 0 : flows - (await countRows(scene.storeUrl(service), 'effects', ['closed']))
    if (open > 0) missing.push(`${open} of group ${service}`)
    if (waiting > 0) missing.push(`${waiting} parked of ${service}`)
    if (unclosed > 0) missing.push(`${unclosed} flows to close in ${service}`)
  }
  return missing.join(', ')
}
