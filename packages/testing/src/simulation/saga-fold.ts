import { isDeepStrictEqual } from 'node:util'
import type { Saga, SagaStep } from '@acuse/core'
import type { Effect } from './ledger.ts'

/** Where a saga stands according to what was applied. */
interface Standing {
  state: unknown
  completed: boolean
  /** By name, the message id of the timeout that counts. */
  timeouts: Record<string, string>
}

/** A saga's record in the store. */
export type StoredSaga = Readonly<Standing>

const timeoutType = 'acuse.saga.timeout'

/** Repeats a saga's reactions on the messages its group has applied, in the order of their commits: what its state has to be. */
export class SagaFold {
  readonly #saga: Saga<unknown>
  readonly #standings = new Map<string, Standing>()
  /** Timeouts that the last step has set, whose messages are written next. */
  #awaited: { readonly standing: Standing; readonly name: string }[] = []

  constructor(saga: Saga<unknown>) {
    this.#saga = saga
  }

  apply({ message }: Effect): void {
    this.#awaited = []
    if (message.type === timeoutType) return this.#applyTimeout(message)
    const entry = this.#saga.entries.get(message.type)
    if (entry === undefined) return
    const id = entry.id(message)
    const known = this.#standings.get(id)
    if (known?.completed === true || (known === undefined && !entry.starts)) return
    const standing = known ?? { state: this.#saga.initial(id), completed: false, timeouts: {} }
    this.#standings.set(id, standing)
    this.#advance(standing, entry.react(standing.state, message))
  }

  setTimeout(messageId: string): void {
    const next = this.#awaited.shift()
    if (next !== undefined) next.standing.timeouts[next.name] = messageId
  }

  /** Sagas whose stored record is another one, with what it should be. */
  differences(stored: (sagaId: string) => StoredSaga | undefined): string[] {
    const found: string[] = []
    for (const [id, standing] of this.#standings) {
      const record = stored(id)
      if (record !== undefined && isDeepStrictEqual(pick(record), pick(standing))) continue
      found.push(
        `saga ${this.#saga.name} ${id} is ${JSON.stringify(record && pick(record))}, but what it applied makes ${JSON.stringify(pick(standing))}`,
      )
    }
    return found
  }

  /** The message ids of the timeouts that still count. */
  pending(): string[] {
    return [...this.#standings.values()]
      .filter(({ completed }) => !completed)
      .flatMap(({ timeouts }) => Object.values(timeouts))
  }

  #applyTimeout({ id, data }: Effect['message']): void {
    if (typeof data !== 'object' || data === null || !('sagaId' in data) || !('timeout' in data)) return
    const { sagaId, timeout } = data
    const standing = this.#standings.get(String(sagaId))
    const name = String(timeout)
    const react = this.#saga.timeouts.get(name)
    // Late: it was set again, or cancelled, or the saga is over.
    if (standing === undefined || standing.completed || standing.timeouts[name] !== id || react === undefined) return
    delete standing.timeouts[name]
    this.#advance(standing, react(standing.state, String(sagaId)))
  }

  #advance(standing: Standing, step: SagaStep<unknown>): void {
    standing.state = JSON.parse(JSON.stringify(step.state ?? standing.state))
    if (step.complete === true) {
      standing.completed = true
      standing.timeouts = {}
      return
    }
    for (const [name, delayMs] of Object.entries(step.timeouts ?? {})) {
      delete standing.timeouts[name]
      if (delayMs !== null) this.#awaited.push({ standing, name })
    }
  }
}

function pick({ state, completed, timeouts }: StoredSaga): StoredSaga {
  return { state, completed, timeouts }
}
