import type { Clock } from './clock.ts'
import { type Priority, priorities } from './message.ts'

/** Something that waits its turn. */
export interface LaneItem {
  /** Items with one key run in order, one unit at a time; null runs beside anything. */
  readonly key: string | null
  readonly priority: Priority
  /** Items run together only with items of the same kind. */
  readonly kind: LaneKind
}

/** How items of one kind are gathered into units. */
export interface LaneKind {
  /** The most items a unit takes. */
  readonly most: number
  /** How long the first waits for others to fill a unit, ms. */
  readonly waitMs: number
  /** A unit takes its items from many keys, as those of one key go one after the other in it. Default: all there is of the first keys. */
  readonly spread?: boolean
}

/** What a unit of work leaves undone: these items come first again, in order, after the delay. */
export interface Undone<Item> {
  readonly items: readonly Item[]
  readonly delayMs: number
}

export interface LanesOptions<Item> {
  readonly clock: Clock
  /** Units run at once. */
  readonly concurrency: number
  /** Runs one unit; its items are in order. Must not reject. */
  readonly run: (unit: readonly Item[]) => Promise<Undone<Item> | undefined>
}

/** Higher lanes go first, but every eighth unit comes from the lowest that waits, so that none starves. */
const turnOfTheLowest = 8

interface Line<Item> {
  readonly key: string | null
  /** What has not begun, in order. */
  readonly items: Item[]
  /** A running or held line waits in no queue: its key must not begin again. */
  state: 'ready' | 'running' | 'held'
  /** Since when its first item could run, for kinds that wait to fill a unit. */
  since: number
}

interface Unit<Item> {
  readonly items: readonly Item[]
  /** Each line it took from, with what it took. */
  readonly lines: ReadonlyMap<Line<Item>, readonly Item[]>
}

/**
 * Runs keys beside each other and each key in order.
 *
 * Source: the ordering modes of Confluent's Parallel Consumer (key-level order over one partition).
 */
export class Lanes<Item extends LaneItem> {
  readonly #options: LanesOptions<Item>
  /** Lines that may run, by priority. */
  readonly #ready: Readonly<Record<Priority, Line<Item>[]>> = { normal: [], high: [], critical: [] }
  /** The line of each key; an unkeyed item has a line of its own, which is only in `ready` or `held`. */
  readonly #byKey = new Map<string, Line<Item>>()
  readonly #held = new Set<Line<Item>>()
  readonly #running = new Set<Unit<Item>>()
  readonly #onIdle: { readonly matches: (item: Item) => boolean; readonly resolve: () => void }[] = []
  #units = 0
  #paused = false
  #cancelTimer: (() => void) | undefined

  constructor(options: LanesOptions<Item>) {
    this.#options = options
  }

  /** How many units run now. */
  get running(): number {
    return this.#running.size
  }

  add(items: readonly Item[]): void {
    for (const item of items) {
      const line = item.key === null ? undefined : this.#byKey.get(item.key)
      if (line === undefined) this.#open(item)
      else line.items.push(item)
    }
    this.#pump()
  }

  /** Begins nothing more until `resume`. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#pump()
  }

  /** Takes out what matches and has not begun. */
  evict(matches: (item: Item) => boolean): Item[] {
    const evicted: Item[] = []
    const lines = new Set([...this.#byKey.values(), ...this.#held, ...priorities.flatMap((one) => this.#ready[one])])
    for (const line of lines) {
      const kept = line.items.filter((item) => !matches(item))
      evicted.push(...line.items.filter(matches))
      line.items.splice(0, line.items.length, ...kept)
      if (kept.length === 0 && line.state === 'ready') this.#forget(line)
    }
    for (const priority of priorities) {
      const ready = this.#ready[priority]
      ready.splice(0, ready.length, ...ready.filter((line) => line.items.length > 0))
    }
    return evicted
  }

  /** Resolves when nothing that matches is running. */
  async idle(matches: (item: Item) => boolean = () => true): Promise<void> {
    if (!this.#isRunning(matches)) return
    await new Promise<void>((resolve) => this.#onIdle.push({ matches, resolve }))
  }

  #isRunning(matches: (item: Item) => boolean): boolean {
    return [...this.#running].some((unit) => unit.items.some(matches))
  }

  #open(item: Item): void {
    const line: Line<Item> = { key: item.key, items: [item], state: 'ready', since: this.#options.clock.now() }
    if (item.key !== null) this.#byKey.set(item.key, line)
    this.#ready[item.priority].push(line)
  }

  #forget(line: Line<Item>): void {
    if (line.key !== null) this.#byKey.delete(line.key)
  }

  #pump(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    while (!this.#paused && this.#running.size < this.#options.concurrency) {
      const unit = this.#nextUnit()
      if (unit === undefined) return
      this.#units++
      this.#running.add(unit)
      void this.#options.run(unit.items).then((undone) => this.#finish(unit, undone))
    }
  }

  #nextUnit(): Unit<Item> | undefined {
    const order = (this.#units + 1) % turnOfTheLowest === 0 ? priorities : priorities.toReversed()
    let soonestMs = Infinity
    for (const priority of order) {
      const ready = this.#ready[priority]
      const tried = new Set<LaneKind>()
      for (const line of ready) {
        const kind = line.items[0]?.kind
        if (kind === undefined || tried.has(kind)) continue
        tried.add(kind)
        const waitMs = this.#waitToFill(ready, kind)
        if (waitMs <= 0) return gather(ready, kind, this.#shareOf(kind))
        soonestMs = Math.min(soonestMs, waitMs)
      }
    }
    if (soonestMs < Infinity) this.#cancelTimer = this.#options.clock.after(soonestMs, () => this.#pump())
    return undefined
  }

  /** How many items of a key a unit takes at most. */
  #shareOf({ most, spread }: LaneKind): number {
    return spread === true ? Math.max(1, Math.floor(most / this.#byKey.size)) : most
  }

  /** How much longer the items of a kind may wait for others to join them. */
  #waitToFill(ready: readonly Line<Item>[], kind: LaneKind): number {
    if (kind.waitMs === 0) return 0
    let count = 0
    let oldest = Infinity
    for (const line of ready) {
      if (line.items[0]?.kind !== kind) continue
      count += line.items.length
      oldest = Math.min(oldest, line.since)
      if (count >= kind.most) return 0
    }
    const waitMs = oldest + kind.waitMs - this.#options.clock.now()
    // Longer than from the beginning: the clock was set back, and nobody is to wait until the old time comes again.
    return waitMs > kind.waitMs ? 0 : waitMs
  }

  #finish(unit: Unit<Item>, undone: Undone<Item> | undefined): void {
    this.#running.delete(unit)
    if (undone !== undefined) this.#holdBack(unit, undone)
    for (const line of unit.lines.keys()) if (line.state === 'running') this.#release(line)
    for (const waiter of this.#onIdle.filter(({ matches }) => !this.#isRunning(matches))) {
      this.#onIdle.splice(this.#onIdle.indexOf(waiter), 1)
      waiter.resolve()
    }
    this.#pump()
  }

  /** Puts undone items back in front of their lines, which stay closed until the delay is over. */
  #holdBack(unit: Unit<Item>, undone: Undone<Item>): void {
    const items = new Set(undone.items)
    const held: Line<Item>[] = []
    for (const [line, taken] of unit.lines) {
      const mine = taken.filter((item) => items.has(item))
      if (mine.length === 0) continue
      line.items.unshift(...mine)
      line.state = 'held'
      this.#held.add(line)
      held.push(line)
    }
    this.#options.clock.after(undone.delayMs, () => {
      for (const line of held) if (this.#held.delete(line)) this.#release(line)
      this.#pump()
    })
  }

  /** Lets the rest of a line go, or forgets it. */
  #release(line: Line<Item>): void {
    const first = line.items[0]
    if (first === undefined) return this.#forget(line)
    line.state = 'ready'
    line.since = this.#options.clock.now()
    this.#ready[first.priority].push(line)
  }
}

/** Takes from the front of ready lines until the unit is full, at most `share` from each; lines of other kinds stay where they are. */
function gather<Item extends LaneItem>(ready: Line<Item>[], kind: LaneKind, share: number): Unit<Item> {
  const items: Item[] = []
  const lines = new Map<Line<Item>, readonly Item[]>()
  const passed: Line<Item>[] = []
  let looked = 0
  for (; looked < ready.length && items.length < kind.most; looked++) {
    const line = ready[looked]
    if (line === undefined) break
    if (line.items[0]?.kind !== kind) {
      passed.push(line)
      continue
    }
    const taken = takeFrom(line, kind, Math.min(share, kind.most - items.length))
    line.state = 'running'
    lines.set(line, taken)
    items.push(...taken)
  }
  ready.splice(0, looked, ...passed)
  return { items, lines }
}

function takeFrom<Item extends LaneItem>({ items }: Line<Item>, kind: LaneKind, most: number): readonly Item[] {
  let count = 1
  while (count < most && count < items.length && items[count]?.kind === kind) count++
  return items.splice(0, count)
}
