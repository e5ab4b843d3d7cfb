import { setTimeout as delay } from 'node:timers/promises'

import { createRandom } from '../random.ts'
import type { Random } from '../random.ts'

/** A process that faults happen to. */
export interface Victim {
  readonly name: string
  readonly state: 'up' | 'down' | 'starting'
  /** Ends it without warning. */
  kill: () => Promise<void>
  /** Asks it to finish and end. */
  stop: (deadlineMs: number) => Promise<unknown>
  /** Brings it back; tries until it serves. */
  start: () => Promise<void>
  freeze: () => void
  thaw: () => void
}

/** A broker that faults happen to. Its methods settle when it is so. */
export interface BrokenBroker {
  readonly name: string
  kill: () => Promise<void>
  start: () => Promise<void>
  freeze: () => Promise<void>
  thaw: () => Promise<void>
}

/** From the first up to the second. */
export type Range = readonly [low: number, high: number]

export interface FaultsOptions {
  seed: number
  /** Default 3 to 7 s. */
  killEveryMs?: Range
  /** Default 5 to 10 s. */
  otherEveryMs?: Range
  /** Default 4 to 8 s. */
  brokerEveryMs?: Range
  /** The processes of each service. One is left alone while no other of its service is up. */
  services: readonly (readonly Victim[])[]
  gateway: Victim
  /** An outage of the gateway: for so long it answers nothing but 503. */
  gatewayOutage: (ms: number) => Promise<void>
  restartDatabase: () => Promise<void>
  /** What is between the services, where it is there to be broken. */
  broker: BrokenBroker | null
  /** Whether it is time for the one restart of the database. */
  databaseIsDue: () => boolean
  /** Told of each fault as it happens. */
  onFault: (what: string) => void
  /** Whatever goes wrong with bringing something back. */
  onFailed: (error: unknown) => void
}

export interface Faults {
  readonly counts: FaultCounts
  /** Ends the faults, and settles when everything is up again. */
  stop: () => Promise<void>
}

export interface FaultCounts {
  /** Of all kinds. */
  total: number
  kills: number
  restarts: number
}

/**
 * Pauses between two kills, and between two of the other faults, ms. A start costs about a second of CPU: much more often, and
 * nothing but starting is done.
 */
const KILL_EVERY_MS: Range = [3_000, 7_000]
const OTHER_EVERY_MS: Range = [5_000, 10_000]
/** From the end of one fault of the broker to the next: it takes some seconds to come back, and then all have to go on. */
const BROKER_EVERY_MS: Range = [4_000, 8_000]
/** A broker that does not come back is started so often. Nothing can be told of a run without one. */
const BROKER_STARTS = 3
/** How long a killed service stays away: less than it takes to start, or long enough for others to take over its work. */
const AWAY_MS: Range = [50, 1_500]
/** How long a frozen one is: the others have heard nothing from it by then, and may have taken its work. */
const FROZEN_MS: Range = [300, 4_000]
const OUTAGE_MS: Range = [500, 2_500]
/** A service that is asked to end has so long to finish its messages. */
const STOP_DEADLINE_MS = 15_000
/** How often to look again for a victim when none is up, and whether the database is due. */
const LOOK_MS = 100

/** Lets faults happen, in an order that the seed decides, until it is stopped. */
export function startFaults(options: FaultsOptions): Faults {
  const { seed, services, gateway, broker, onFault, onFailed } = options
  const { killEveryMs = KILL_EVERY_MS, otherEveryMs = OTHER_EVERY_MS, brokerEveryMs = BROKER_EVERY_MS } = options
  const counts: FaultCounts = { total: 0, kills: 0, restarts: 0 }
  const stopping = new AbortController()
  /** Victims something is being done to: nothing else happens to them meanwhile. */
  const busy = new Set<Victim>()
  const recoveries = new Set<Promise<void>>()

  const pause = (ms: number): Promise<unknown> =>
    delay(ms, undefined, { signal: stopping.signal }).catch(() => undefined)
  const happen = (what: string): void => {
    counts.total += 1
    onFault(what)
  }
  /** Does something to a victim in the background, to its end even when the faults are stopped. */
  const to = (victim: Victim, deed: () => Promise<void>): void => {
    busy.add(victim)
    const recovery = deed()
      .catch(onFailed)
      .finally(() => {
        busy.delete(victim)
        recoveries.delete(recovery)
      })
    recoveries.add(recovery)
  }
  const startAgain = async (victim: Victim): Promise<void> => {
    await victim.start()
    counts.restarts += 1
  }
  const kill = (victim: Victim, random: Random): void => {
    const awayMs = random.between(...AWAY_MS)
    happen(`killed ${victim.name}`)
    counts.kills += 1
    to(victim, async () => {
      await victim.kill()
      await pause(awayMs)
      await startAgain(victim)
    })
  }
  const freeze = (victim: Victim, ms: number): void => {
    happen(`froze ${victim.name} for ${Math.round(ms)} ms`)
    to(victim, async () => {
      victim.freeze()
      await pause(ms)
      victim.thaw()
    })
  }
  const terminate = (victim: Victim): void => {
    happen(`asked ${victim.name} to end`)
    to(victim, async () => {
      await victim.stop(STOP_DEADLINE_MS)
      await startAgain(victim)
    })
  }
  const outage = async (ms: number): Promise<void> => {
    happen(`the gateway is out of order for ${Math.round(ms)} ms`)
    await options.gatewayOutage(ms)
  }

  const isUp = (victim: Victim): boolean => victim.state === 'up' && !busy.has(victim)
  /** Those whose work another process can take over. Without this, a slow machine would soon have nothing up at all. */
  const spare = (processes: readonly Victim[]): readonly Victim[] => {
    const up = processes.filter(isUp)
    return up.length > 1 || processes.length === 1 ? up : []
  }
  const anySpare = async (random: Random): Promise<Victim | undefined> => {
    while (!stopping.signal.aborted) {
      const victims = services.flatMap(spare)
      if (victims.length > 0) return random.pick(victims)
      await pause(LOOK_MS)
    }
    return undefined
  }
  // Each has numbers of its own, so that neither's pace changes what the other does.
  const kills = async (): Promise<void> => {
    const random = createRandom(seed, 'kills')
    while (!stopping.signal.aborted) {
      await pause(random.between(...killEveryMs))
      const victim = await anySpare(random)
      if (victim !== undefined) kill(victim, random)
    }
  }
  const others = async (): Promise<void> => {
    const random = createRandom(seed, 'other faults')
    while (!stopping.signal.aborted) {
      await pause(random.between(...otherEveryMs))
      if (stopping.signal.aborted) return
      const kind = random.pick(['terminate', 'freeze', 'freeze', 'gateway', 'outage', 'all of a service'] as const)
      if (kind === 'gateway' || kind === 'outage') {
        if (!isUp(gateway)) continue
        if (kind === 'gateway') kill(gateway, random)
        else await outage(random.between(...OUTAGE_MS)).catch(onFailed)
      } else if (kind === 'all of a service') {
        for (const victim of random.pick(services).filter(isUp)) kill(victim, random)
      } else {
        const victim = await anySpare(random)
        if (victim === undefined) return
        if (kind === 'terminate') terminate(victim)
        else freeze(victim, random.between(...FROZEN_MS))
      }
    }
  }
  const database = async (): Promise<void> => {
    while (!options.databaseIsDue()) {
      if (stopping.signal.aborted) return
      await pause(LOOK_MS)
    }
    happen('restarted the database')
    await options.restartDatabase()
    counts.restarts += 1
  }

  const killBroker = async (victim: BrokenBroker, awayMs: number): Promise<void> => {
    happen(`killed ${victim.name}`)
    counts.kills += 1
    await victim.kill()
    await pause(awayMs)
    for (let left = BROKER_STARTS - 1; ; left -= 1) {
      try {
        await victim.start()
        counts.restarts += 1
        return
      } catch (error) {
        if (left === 0) throw error
        onFailed(error)
      }
    }
  }
  const freezeBroker = async (victim: BrokenBroker, ms: number): Promise<void> => {
    happen(`froze ${victim.name} for ${Math.round(ms)} ms`)
    await victim.freeze()
    await pause(ms)
    await victim.thaw()
  }
  const brokers = async (): Promise<void> => {
    if (broker === null) return
    const random = createRandom(seed, 'broker')
    // In turn, so that also a short run has both.
    for (let killed = true; ; killed = !killed) {
      await pause(random.between(...brokerEveryMs))
      if (stopping.signal.aborted) return
      const ms = random.between(...(killed ? AWAY_MS : FROZEN_MS))
      await (killed ? killBroker(broker, ms) : freezeBroker(broker, ms)).catch(onFailed)
    }
  }

  const running = [kills(), others(), brokers(), database().catch(onFailed)]
  return {
    counts,
    async stop() {
      stopping.abort()
      await Promise.all(running)
      while (recoveries.size > 0) await Promise.all(recoveries)
    },
  }
}
