import { type Clock, pause } from './clock.ts'
import { AcuseError, ConfigurationError } from './errors.ts'
import type { GroupDeclaration } from './group.ts'
import { checkAtLeast } from './names.ts'
import type { HistoryCount, HistoryRange, Store } from './store.ts'
import { keyWithin } from './tenant.ts'

/** Which messages of the log, and for which group. */
export interface HistoryRequest {
  /** A group that this bus declares. */
  readonly group: string
  readonly stream: string
  /** Default: every type of the stream that the group handles. */
  readonly types?: readonly string[]
  readonly key?: string
  /** Whose key it is, where it is a tenant's. */
  readonly tenant?: string
  /** Appended at this moment or later, by the database's clock. Default: everything that the log holds. */
  readonly from?: Date
  /** Appended before this moment. Default: what is committed when the replay begins. */
  readonly to?: Date
}

export interface ReplayHistoryOptions {
  /** Runs also what the group has taken already: its effects happen once more. Default false. */
  readonly again?: boolean
  /** How many messages may wait in the group at once, those that fail and are retried included. Default 1,000, at least 10. */
  readonly most?: number
  /** Goes on where an earlier replay of the same request ended. */
  readonly after?: string
  /** Ends it between two pages: what was taken runs, the rest is left. */
  readonly signal?: AbortSignal
  /** Told after each page. */
  readonly onProgress?: (progress: HistoryProgress) => void
}

export interface HistoryProgress {
  /** Parked, to be run in order per key. */
  readonly taken: number
  /** Left out: the group knows it already, or it waits or is dead there. */
  readonly skipped: number
  /** Whether all that matched was looked at. */
  readonly done: boolean
  /** Give it as `after` to go on from here. */
  readonly position: string
}

/** What the log still holds, to be given to a group once more. */
export interface History {
  /** The log holds everything that was appended since. */
  heldSince(): Promise<Date>
  /** Counts what a replay would find, and changes nothing. */
  count(request: HistoryRequest): Promise<HistoryCount>
  /**
   * Gives messages of the log to a group once more, page by page, while everything goes on; resolves when the last page is parked.
   * Those that the group has taken already are passed over, unless `again`. Rejects with `ACUSE_HISTORY_GONE` where the log
   * does not hold all that is asked for, and with `ACUSE_REPLAY_REFUSED` where the inbox may have forgotten some of it.
   */
  replay(request: HistoryRequest & ReplayHistoryOptions): Promise<HistoryProgress>
}

/** A page's transaction holds the lock of each of its keys. */
const pageSize = 200
const fullPauseMs = 50
const thirtyDaysMs = 30 * 86_400_000

export interface HistoryReplay {
  readonly group: string
  readonly range: HistoryRange
  readonly ordered: boolean
  /** How long the inbox remembers, ms. Default 30 days. */
  readonly inboxRetentionMs?: number
  /** Something was parked. */
  readonly onTaken?: () => void
}

/** Replays a range of a store's log to a group, as `bus.history.replay` does. For whoever operates a store without its bus. */
export async function replayHistory<Tx>(
  store: Store<Tx>,
  clock: Clock,
  replay: HistoryReplay,
  options: ReplayHistoryOptions = {},
): Promise<HistoryProgress> {
  const { group, range, ordered, onTaken } = replay
  const { again = false, most = 1_000, after, signal, onProgress } = options
  checkAtLeast('most', most, 10)
  let position = after ?? (await store.history.begin(range))
  if (!again) await refuseForgotten(store, replay)
  let taken = 0
  let skipped = 0
  const progress = (done: boolean): HistoryProgress => ({ taken, skipped, done, position })
  const limit = Math.min(pageSize, Math.floor(most / 2))
  for (;;) {
    if (!(await hasRoom(store, clock, group, most - limit, signal))) return progress(false)
    const page = await store.history.take(group, range, position, { limit, ordered, again })
    taken += page.taken
    skipped += page.skipped
    position = page.next ?? position
    if (page.taken > 0) onTaken?.()
    onProgress?.(progress(page.next === null))
    if (page.next === null) return progress(true)
  }
}

/** What the inbox may have forgotten it would take for new. */
async function refuseForgotten<Tx>(
  store: Store<Tx>,
  { range, inboxRetentionMs = thirtyDaysMs }: HistoryReplay,
): Promise<void> {
  const from = range.from ?? (await store.history.heldSince())
  const remembered = new Date((await store.schedule.now()).getTime() - inboxRetentionMs)
  if (from >= remembered) return
  throw new AcuseError(
    'ACUSE_REPLAY_REFUSED',
    `The inbox remembers what was taken since ${remembered.toISOString()}, so what is older could be applied twice. ` +
      `Replay from that moment on, or say again where applying a message twice does no harm.`,
  )
}

/** Waits until no more than `most` messages wait in the group. false: it was told to end. */
async function hasRoom<Tx>(
  store: Store<Tx>,
  clock: Clock,
  group: string,
  most: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for (;;) {
    if (signal?.aborted === true) return false
    const { timeout: _saga, dead: _held, ...waiting } = await store.parked.counts(group)
    if (Object.values(waiting).reduce((sum, count) => sum + count, 0) <= most) return true
    await pause(clock, fullPauseMs, signal)
  }
}

export interface HistorySource<Tx> {
  readonly store: () => Store<Tx>
  readonly clock: Clock
  readonly groups: ReadonlyMap<string, GroupDeclaration<Tx>>
  readonly inboxRetentionMs: number
  readonly onTaken: () => void
}

export function historyOf<Tx>(source: HistorySource<Tx>): History {
  const { store, clock, groups, inboxRetentionMs, onTaken } = source
  return {
    heldSince: async () => store().history.heldSince(),
    count: async (request) => store().history.count(request.group, rangeOf(request, declared(groups, request.group))),
    replay: async (request) => {
      const declaration = declared(groups, request.group)
      const range = rangeOf(request, declaration)
      const ordered = declaration.settings.blockWhileRetrying
      const replay = { group: request.group, range, ordered, inboxRetentionMs, onTaken }
      return replayHistory(store(), clock, replay, request)
    },
  }
}

function declared<Tx>(groups: ReadonlyMap<string, GroupDeclaration<Tx>>, name: string): GroupDeclaration<Tx> {
  const group = groups.get(name)
  if (group !== undefined) return group
  throw new ConfigurationError(
    `history: this bus declares no group ${JSON.stringify(name)}, only ${[...groups.keys()].join(', ') || 'none'}. Replay where the group's handlers are, or with acuse replay.`,
  )
}

/** A message without a handler would only become a dead letter. */
function rangeOf<Tx>(request: HistoryRequest, { name, registrations, isForeign }: GroupDeclaration<Tx>): HistoryRange {
  if (isForeign) {
    throw new ConfigurationError(`history: group ${name} reads a place of others; what was there is not in this log.`)
  }
  const { stream, types, key, tenant, from, to } = request
  const handled = [...registrations.values()]
    .filter(({ type, local }) => local !== true && type.stream.name === stream)
    .map(({ type }) => type.name)
  const unhandled = types?.find((type) => !handled.includes(type))
  if (handled.length === 0 || unhandled !== undefined) {
    throw new ConfigurationError(
      `history: group ${name} handles ${handled.length === 0 ? 'nothing' : `no ${unhandled}`} of stream ${stream}.`,
    )
  }
  return {
    stream,
    types: types ?? handled,
    ...(key === undefined ? {} : { key: keyWithin(tenant ?? null, key) }),
    ...(from === undefined ? {} : { from: checkedDate('from', from) }),
    ...(to === undefined ? {} : { to: checkedDate('to', to) }),
  }
}

function checkedDate(name: string, date: Date): Date {
  if (!Number.isNaN(date.getTime())) return date
  throw new ConfigurationError(`history: ${name} is not a valid date.`)
}
