import { check, type Findings, type RunHistory } from './checker.ts'
import { countRows, readCommitted, readEffects } from './collect.ts'
import { letFaultsHappen, pauseUntil } from './controller.ts'
import { drain, type Drained, type DrainLimits } from './drain.ts'
import { crash } from './faults/crash.ts'
import { type Fault, leastPerRun, type World } from './faults/fault.ts'
import { isInRuns, PointBook } from './faults/point-book.ts'
import { countProxied, Fleet } from './fleet.ts'
import { historiesOf, readTotals } from './history.ts'
import { groups, type Plan } from './plan.ts'
import { Progress, type ProgressOutput } from './progress.ts'
import { findingsText, historyText, messagesOf, type Summary } from './report.ts'
import { sagaGroup } from './roles/saga-worker.ts'
import type { Role } from './roles/worker-config.ts'
import { openScene, type Scene, type Service, type Shared } from './scene.ts'
import { kindsOf } from './subscriptions.ts'
import { holdProducers } from './tables.ts'
import type { ChaosTransport } from './transports/transport.ts'
import { fullRun, isClean, shortcomings } from './verdict.ts'

const defaultLimits: DrainLimits = { withinMs: 60_000, stalledMs: Infinity }
const countEveryMs = 3_000
/** Where a full run lacks faults, crash points or messages when its time is over, it goes on for so long at most. */
const longestExtraMs = 240_000
/** With more than this still to be applied the producers wait: else a slow machine would be given more than it can work off in a minute. */
const mostBehind = 12_000
const lookEveryMs = 1_000
/** Node takes no longer timer. */
const longestPartMs = 2 ** 31 - 1

export interface RunRequest {
  readonly transport: ChaosTransport
  /** Of the broker. Default 1. */
  readonly nodes?: number
  readonly plan: Plan
  readonly seed: number
  readonly seconds: number
  readonly faults: readonly Fault[]
  /** Whether these are all faults there are. */
  readonly allFaults: boolean
  /** Faults happen this many times as often as in a full run. Default 1. */
  readonly haste?: number
  /** What the producers aim at in all, where it was said. */
  readonly messages: number | null
  /** Node's own arguments for every process of the run. */
  readonly nodeArguments: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** The environment of the first process in each place. */
  readonly firstEnv?: Readonly<Record<string, string>>
  /** The only processes that faults happen to. Default: all. */
  readonly victims?: readonly Role[]
  /** How long the end may take to come. Default: 60 s, whatever happens meanwhile. */
  readonly drainLimits?: DrainLimits
  readonly shared?: Shared
  readonly output: ProgressOutput
}

export interface RunResult {
  readonly summary: Summary
  readonly findings: Findings
}

/** Runs everything once, from servers to verdict, and leaves nothing behind. Rejects when `stop` aborts. */
export async function run(request: RunRequest, stop: AbortSignal): Promise<RunResult> {
  const { transport, nodes = 1, plan, shared } = request
  const sharing = shared === undefined ? {} : { shared }
  const scene = await openScene({ transport, nodes, plan, proxied: countProxied(plan), ...sharing })
  try {
    return await new Run(request, scene, stop).play()
  } finally {
    await scene[Symbol.asyncDispose]()
  }
}

class Run {
  readonly #request: RunRequest
  readonly #scene: Scene
  readonly #stop: AbortSignal
  readonly #points: PointBook
  readonly #faults: Record<string, number>
  readonly #progress: Progress
  readonly #beganMs = performance.now()
  #fleet: Fleet | undefined
  #phase = 'starting'
  #committed = 0
  #applied: number[] = groups.map(() => 0)
  #last = ''

  constructor(request: RunRequest, scene: Scene, stop: AbortSignal) {
    this.#request = request
    this.#scene = scene
    this.#stop = stop
    this.#points = new PointBook((point) => request.transport.passes(point) && isInRuns(point))
    this.#faults = Object.fromEntries(request.faults.map(({ name }) => [name, 0]))
    this.#progress = new Progress(request.output, () => ({
      elapsedMs: performance.now() - this.#beganMs,
      phase: this.#phase,
      committed: this.#committed,
      applied: this.#applied,
      kills: this.#fleet?.counts.kills ?? 0,
      faults: Object.values(this.#faults).reduce((sum, count) => sum + count, 0),
      points: `${this.#points.hit}/${this.#points.total}`,
      last: this.#last,
    }))
  }

  async play(): Promise<RunResult> {
    const killOnExit = (): void => this.#fleet?.killNow()
    process.once('exit', killOnExit)
    const counting = setInterval(() => void this.#count(), countEveryMs)
    try {
      const { plan, seed, seconds, transport, nodeArguments, env = {}, firstEnv = {} } = this.#request
      this.#fleet = await Fleet.open({
        plan,
        scene: this.#scene,
        seed,
        seconds,
        transport: transport.name,
        nodeArguments,
        env,
        note: (text) => this.#progress.note(text),
        onPoint: (point) => this.#points.died(point),
      })
      await this.#fleet.start(firstEnv)
      await this.#faultsHappen(this.#fleet)
      const { drained, dead, replayed } = await this.#comeToRest(this.#fleet)
      this.#phase = 'checking'
      return await this.#judge(this.#fleet, drained, dead, replayed)
    } finally {
      clearInterval(counting)
      this.#progress.end()
      this.#fleet?.killNow()
      process.off('exit', killOnExit)
    }
  }

  async #faultsHappen(fleet: Fleet): Promise<void> {
    this.#phase = 'faults'
    const { seconds, faults } = this.#request
    await this.#letHappen(fleet, faults, AbortSignal.timeout(seconds * 1_000))
    if (seconds < fullRun.seconds || this.#isEnough()) return
    this.#phase = 'not enough yet'
    const enough = new AbortController()
    const looking = setInterval(() => this.#isEnough() && enough.abort(), lookEveryMs)
    const over = AbortSignal.any([AbortSignal.timeout(longestExtraMs), enough.signal])
    // The others would only be in the way of what is lacking.
    const lacking = faults.filter((fault) => fault === crash || this.#lacks(fault))
    try {
      await this.#letHappen(fleet, lacking, over)
    } finally {
      clearInterval(looking)
    }
  }

  /** Whether a full run has what it has to have: the crash points, the messages, and each fault often enough. */
  #isEnough(): boolean {
    const { faults, messages } = this.#request
    const wanted = Math.min(fullRun.committed, messages ?? Infinity)
    const hasPoints = this.#points.missing.length === 0 || !faults.includes(crash)
    return this.#committed >= wanted && hasPoints && !faults.some((fault) => this.#lacks(fault))
  }

  #lacks({ name }: Fault): boolean {
    return (this.#faults[name] ?? 0) < leastPerRun
  }

  async #letHappen(fleet: Fleet, faults: readonly Fault[], until: AbortSignal): Promise<void> {
    const { seed, haste = 1, plan, victims } = this.#request
    const over = AbortSignal.any([until, this.#stop])
    const world: World = {
      places: fleet.places.filter(({ role }) => victims?.includes(role) ?? true),
      links: this.#scene.links.all.filter(({ role }) => victims?.includes(role) ?? true),
      server: this.#scene.server,
      points: this.#points,
      settings: plan.settings,
      over,
      pause: (ms) => pauseUntil(over, ms),
      broker: this.#scene.broker,
      serverTurn: inTurn(),
      brokerTurn: inTurn(),
      note: (text) => this.#progress.note(text),
    }
    const onFault = (fault: Fault, what: string): void => {
      this.#faults[fault.name] = (this.#faults[fault.name] ?? 0) + 1
      this.#last = what
    }
    await Promise.all([letFaultsHappen({ faults, seed, world, haste, onFault }), pauseUntil(over, longestPartMs)])
    this.#scene.links.heal()
    await this.#scene.server.start()
    await this.#mendBroker()
    this.#stop.throwIfAborted()
  }

  /** At once: a node may wait for the others before it is ready. */
  async #mendBroker(): Promise<void> {
    await Promise.all(
      this.#scene.broker.nodes.map(async (node) => {
        await node.thaw()
        await node.start()
      }),
    )
  }

  /** Nothing more happens, and all that was published finds its end; then the dead letters do. */
  async #comeToRest(fleet: Fleet): Promise<{ drained: Drained; dead: number; replayed: number }> {
    this.#phase = 'draining'
    const { drainLimits = defaultLimits } = this.#request
    await fleet.calm()
    const first = await drain(this.#scene, fleet, drainLimits, this.#stop)
    this.#stop.throwIfAborted()
    const services = ['producer', ...groups, 'saga'] as const satisfies readonly Service[]
    let [dead, replayed] = [0, 0]
    for (const service of services) dead += (await fleet.standing(service)).dead.length
    // What has not come to its end leaves nothing to be learnt from running the dead again.
    if (!first.inTime) return { drained: first, dead, replayed }
    this.#phase = 'replaying'
    for (const group of groups) replayed += await fleet.replay(group)
    const second = await drain(this.#scene, fleet, drainLimits, this.#stop)
    this.#stop.throwIfAborted()
    const tookMs = first.tookMs + second.tookMs
    return { drained: { ...second, tookMs }, dead, replayed }
  }

  async #judge(fleet: Fleet, drained: Drained, dead: number, replayed: number): Promise<RunResult> {
    const history = await this.#collect(fleet)
    await fleet.stop()
    const { retried, attempted } = await readTotals(this.#scene.logs)
    // What is applied while the processes end counts too.
    const groupHistories = await Promise.all(
      history.groups.map(async (group) => ({ ...group, effects: await this.#effects(serviceOf(group.group)) })),
    )
    const findings = check({ ...history, attempted, groups: groupHistories })
    const { seed, seconds, faults, allFaults, messages, transport } = this.#request
    const figures = {
      seconds,
      committed: history.committed.length,
      kills: fleet.counts.kills,
      retried,
      faults: this.#faults,
      crashPoints: { hit: this.#points.hit, total: this.#points.total, missing: this.#points.missing },
      drainedInTime: drained.inTime,
    }
    const short = shortcomings(figures, { faults: faults.map(({ name }) => name), all: allFaults, messages })
    if (!drained.inTime) this.#progress.note(`not drained: ${drained.missing}`)
    await this.#tellFindings(findings)
    const summary: Summary = {
      ok: isClean(findings) && short.length === 0,
      transport: transport.name,
      nodes: this.#scene.broker.nodes.length,
      seed,
      ...figures,
      applied: groupHistories.reduce((sum, { effects }) => sum + effects.length, 0),
      dead,
      replayed,
      lost: findings.lost.length,
      unexpected: findings.unexpected.length,
      duplicates: findings.duplicates.length,
      inversions: findings.inversions.length,
      early: findings.early.length,
      sagas: { flows: history.flows.length, wrong: findings.sagas.length },
      parked: findings.parked.length,
      ends: fleet.counts,
      drainMs: Math.round(drained.tookMs),
      shortcomings: short,
    }
    return { summary, findings }
  }

  async #tellFindings(findings: Findings): Promise<void> {
    if (isClean(findings)) return
    this.#progress.note(findingsText(findings))
    const histories = await historiesOf(this.#scene.logs, messagesOf(findings))
    for (const [id, lines] of histories) this.#progress.note(historyText(id, lines))
  }

  async #collect(fleet: Fleet): Promise<Omit<RunHistory, 'attempted'>> {
    const { committed, flows } = await readCommitted(this.#scene.storeUrl('producer'))
    const atRelay = (await fleet.standing('producer')).dead
    const services = [...groups, 'saga'] as const satisfies readonly Service[]
    const histories = await Promise.all(
      services.map(async (service) => {
        const { parked, dead } = await fleet.standing(service)
        return {
          group: service === 'saga' ? sagaGroup : service,
          kinds: kindsOf(service),
          effects: [],
          dead: dead.map(({ id }) => id),
          parked: Object.values(parked).reduce((sum, count) => sum + count, 0),
        }
      }),
    )
    return {
      committed,
      flows,
      deadAtRelay: atRelay.map(({ id }) => id),
      groups: histories,
      saga: sagaGroup,
      sagaTimeoutMs: this.#request.plan.settings.sagaTimeoutMs,
    }
  }

  #effects(service: Service): ReturnType<typeof readEffects> {
    return readEffects(this.#scene.storeUrl(service))
  }

  async #count(): Promise<void> {
    try {
      this.#committed = await countRows(this.#scene.storeUrl('producer'), 'committed')
      this.#applied = await Promise.all(groups.map((group) => countRows(this.#scene.storeUrl(group), 'effects')))
      await holdProducers(this.#scene.storeUrl('producer'), this.#committed - Math.min(...this.#applied) > mostBehind)
    } catch {
      // The server is away: what was counted last stands.
    }
  }
}

/** Runs what it is given one after the other. */
function inTurn(): (work: () => Promise<void>) => Promise<void> {
  let turn: Promise<void> = Promise.resolve()
  return (work) => {
    const next = turn.then(work)
    turn = next.catch(() => undefined)
    return next
  }
}

function serviceOf(group: string): Service {
  return groups.find((one) => one === group) ?? 'saga'
}
