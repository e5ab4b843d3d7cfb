import { createHash } from 'node:crypto'
import { type Bus, derivedId, messageOf, type OutgoingMessage } from '@acuse/core'
import { createMemoryDatabase, type MemoryDatabase } from '../memory-database.ts'
import { MemoryConflictError } from '../memory-errors.ts'
import type { MemoryTx } from '../memory-transaction.ts'
import { memoryTransport } from '../memory-transport.ts'
import { toMs } from '../virtual-clock.ts'
import { Audit, type SimulationProblem } from './audit.ts'
import { drawFaults, type Fault, faultKinds } from './faults.ts'
import { Ledger } from './ledger.ts'
import { Machine } from './machine.ts'
import { createRandom, type SimulationRandom } from './random.ts'
import type { Scenario, SimulatedActor } from './scenario.ts'
import { Timeline } from './timeline.ts'

/** What happens in one run of a scenario, as data: the same plan gives the same run. */
export interface SimulationPlan {
  readonly seed: number
  /** What goes wrong; left out, whatever the seed draws. */
  readonly faults?: readonly Fault[]
  /** Which of the world's acts happen, by number; left out, all. */
  readonly acts?: readonly number[]
}

/** What became of one run. */
export interface SimulationRun {
  readonly plan: Required<SimulationPlan>
  /** What is wrong; empty when every promise was kept. */
  readonly problems: readonly SimulationProblem[]
  /** A hash of everything that happened, in order. */
  readonly trace: string
  readonly simulatedMs: number
  readonly committed: number
  readonly applied: number
  readonly faults: number
}

export interface RunOptions {
  /** Told of everything that happens, with the time. */
  readonly onTrace?: (line: string) => void
}

const startMs = Date.UTC(2030, 0, 1)
/** Everything is up before the first fault. */
const calmMs = 60_000
const settledEveryMs = 60_000
const publishAgainMs = 1_000

/** Runs a scenario once. What goes wrong is among the problems; rejects only with what the scenario's own `world` throws. */
export async function runSimulation(
  scenario: () => Scenario,
  plan: SimulationPlan,
  options: RunOptions = {},
): Promise<SimulationRun> {
  const simulation = new Simulation(scenario(), plan, options)
  return simulation.run()
}

class Simulation {
  readonly #scenario: Scenario
  readonly #plan: SimulationPlan
  readonly #timeline = new Timeline(startMs)
  readonly #random: SimulationRandom
  readonly #hash = createHash('sha256')
  readonly #unhashed: string[] = []
  readonly #onTrace: ((line: string) => void) | undefined
  readonly #ledgers = new Map<string, Ledger>()
  readonly #machines: Machine[] = []
  readonly #broker: ReturnType<typeof memoryTransport> | undefined
  readonly #audit: Audit
  readonly #lastsMs: number
  #struck = 0
  #publications = 0
  #unpublished = 0

  constructor(scenario: Scenario, plan: SimulationPlan, { onTrace }: RunOptions) {
    this.#scenario = scenario
    this.#plan = plan
    this.#random = createRandom(String(plan.seed))
    this.#onTrace = onTrace
    this.#lastsMs = toMs(scenario.lasts)
    const { broker: openBroker = (open) => open, transport = 'broker' } = scenario
    const broker = transport === 'broker' ? memoryTransport(this.#timeline) : undefined
    this.#broker = broker
    this.#audit = new Audit(this.#ledgers, broker === undefined ? undefined : () => broker.published())
    const shared = broker === undefined ? createMemoryDatabase(this.#timeline) : undefined
    for (const [service, declared] of Object.entries(scenario.services)) {
      const database = shared ?? createMemoryDatabase(this.#timeline)
      const ledger = new Ledger(service, database, (of, entries) => {
        for (const entry of entries)
          this.#trace(
            entry.kind === 'effect' ? `${entry.group} applied ${entry.message.type} ${entry.message.id}` : entry.kind,
          )
        this.#audit.onCommit(of, entries)
      })
      this.#ledgers.set(service, ledger)
      for (let number = 1; number <= (declared.processes ?? 2); number++) {
        const name = `${service}/${number}`
        this.#machines.push(
          new Machine({
            name,
            service,
            declared,
            database,
            ledger,
            broker: broker === undefined ? undefined : { open: openBroker(broker), memory: broker },
            timeline: this.#timeline,
            random: this.#random.fork(name),
            trace: (what) => this.#trace(what),
          }),
        )
      }
    }
  }

  async run(): Promise<SimulationRun> {
    for (const machine of this.#machines) machine.start()
    await this.#timeline.run(startMs + calmMs)
    const acts = this.#planActs()
    const faults = this.#plan.faults ?? this.#drawFaults()
    for (const fault of faults) this.#timeline.after(fault.atMs, () => this.#strike(fault))
    await this.#timeline.run(startMs + calmMs + this.#lastsMs, this.#isBroken)
    await this.#settle()
    const problems = this.#problems()
    return {
      plan: { seed: this.#plan.seed, faults, acts },
      problems,
      trace: this.#hash.update(this.#unhashed.join('')).digest('hex'),
      simulatedMs: this.#timeline.now() - startMs,
      committed: this.#audit.committed,
      applied: this.#audit.effects.length,
      faults: this.#struck,
    }
  }

  /** A broken promise does not heal: there is no need to go on. */
  readonly #isBroken = (): boolean => this.#audit.problems.length > 0

  #drawFaults(): readonly Fault[] {
    const { faults: kinds = faultKinds, faultsPerDay: perDay = 48, services } = this.#scenario
    return drawFaults(this.#random.fork('faults'), {
      kinds,
      perDay,
      lastsMs: this.#lastsMs,
      processes: this.#machines.map(({ name }) => name),
      services: Object.keys(services),
    })
  }

  /** Gives the numbers of the acts that happen. */
  #planActs(): readonly number[] {
    const planned: { readonly atMs: number; readonly act: (from: SimulatedActor) => void | Promise<void> }[] = []
    this.#scenario.world({
      random: this.#random.fork('world'),
      lastsMs: this.#lastsMs,
      at: (time, act) => planned.push({ atMs: toMs(time), act }),
    })
    const chosen = this.#plan.acts ?? planned.map((_, number) => number)
    for (const number of chosen) {
      const one = planned[number]
      if (one === undefined) continue
      const actor = this.#actor(this.#random.fork(`act ${number}`))
      this.#timeline.after(one.atMs, () => {
        this.#trace(`act ${number}`)
        // An act that fails has failed for whoever did it; what it should have done is for the scenario's check.
        void Promise.resolve(one.act(actor)).catch((error: unknown) =>
          this.#trace(`act ${number} fails: ${messageOf(error)}`),
        )
      })
    }
    return chosen
  }

  #actor(random: SimulationRandom): SimulatedActor {
    return {
      clock: this.#timeline,
      random,
      through: (service, work) => this.#through(service, random, work),
      publish: (service, messages) => this.#publish(service, [messages].flat(), random),
    }
  }

  #through<R>(service: string, random: SimulationRandom, work: (bus: Bus<MemoryTx>) => Promise<R>): Promise<R> {
    const up = this.#machines.filter((machine) => machine.service === service && machine.bus !== undefined)
    const machine = up.length === 0 ? undefined : random.pick(up)
    if (machine?.bus === undefined) return Promise.reject(new Error(`no process of ${service} answers`))
    const { bus, process } = machine
    return new Promise((resolve, reject) => {
      process?.whenCrashed(() => reject(new Error(`${process.instance} has ended`)))
      work(bus).then(resolve, reject)
    })
  }

  async #publish(service: string, messages: readonly OutgoingMessage[], random: SimulationRandom): Promise<void> {
    const published = messages.map((message) => ({ message, id: derivedId('world', String(++this.#publications)) }))
    this.#unpublished++
    for (;;) {
      try {
        await this.#through(service, random, (bus) =>
          bus.transaction(async (_tx, publish) => {
            for (const { message, id } of published) publish(message, { id })
          }),
        )
        this.#unpublished--
        return
      } catch {
        await new Promise<void>((resolve) => this.#timeline.after(publishAgainMs, resolve))
      }
    }
  }

  #strike(fault: Fault): void {
    this.#struck++
    this.#trace(`fault ${JSON.stringify(fault)}`)
    if (fault.kind === 'redeliver') {
      this.#broker?.restart()
      return
    }
    if (fault.kind === 'conflict') {
      this.#ledgers.get(fault.service)?.database.failNext('commit', new MemoryConflictError('the simulation wants it'))
      return
    }
    const machine = this.#machines.find(({ name }) => name === fault.process)
    if (machine === undefined) return
    switch (fault.kind) {
      case 'crash':
        machine.ambushes.push({ calls: fault.calls, phase: fault.phase, strike: () => machine.crash(fault.downMs) })
        return
      case 'pause':
        machine.ambushes.push({ calls: fault.calls, phase: fault.phase, strike: () => machine.pause(fault.forMs) })
        return
      case 'restart':
        return machine.restart()
      case 'cut':
        return machine.cut(fault.server, fault.forMs)
      case 'slow':
        return machine.slow(fault.server, fault.mostMs, fault.forMs)
      case 'clock':
        return machine.jump(fault.byMs)
    }
  }

  /** Lets everything work again, until nothing is left to do or it has taken too long. */
  async #settle(): Promise<void> {
    for (const machine of this.#machines) machine.heal()
    const until = this.#timeline.now() + toMs(this.#scenario.settles ?? { hours: 6 })
    while (this.#timeline.now() < until && !this.#isBroken()) {
      await this.#timeline.run(this.#timeline.now() + settledEveryMs, this.#isBroken)
      if (this.#unpublished === 0 && this.#audit.unsettled().length === 0) return
    }
  }

  #problems(): SimulationProblem[] {
    const problems = this.#audit.atTheEnd()
    for (const machine of this.#machines) {
      if (!this.#isBroken() && machine.bus === undefined) {
        problems.push({ kind: 'start', what: `${machine.name} does not run although nothing is wrong any more` })
      }
    }
    if (problems.length === 0) problems.push(...this.#ownCheck())
    return problems
  }

  #ownCheck(): SimulationProblem[] {
    const databases: Record<string, MemoryDatabase> = {}
    for (const [service, { database }] of this.#ledgers) databases[service] = database
    const deadLetters = [...new Set(Object.values(databases))].flatMap(({ rows }) => [
      ...rows.deadLetters.committed().values(),
    ])
    try {
      this.#scenario.check?.({
        databases,
        deadLetters,
        effects: this.#audit.effects,
        nowMs: this.#timeline.now(),
      })
      return []
    } catch (error) {
      return [{ kind: 'check', what: messageOf(error) }]
    }
  }

  #trace(what: string): void {
    const line = `${this.#timeline.now() - startMs} ${what}\n`
    this.#unhashed.push(line)
    // A call of the hash costs as much as the text of fifty lines.
    if (this.#unhashed.length === 1_000) this.#hash.update(this.#unhashed.splice(0).join(''))
    this.#onTrace?.(line)
  }
}
