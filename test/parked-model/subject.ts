import { randomUUID } from 'node:crypto'
import type { Claimed, Death, Store, WireMessage } from '@acuse/core'
import { messages } from './model.ts'

export const unitMs = 60_000

/** A real store under the property, with its clock and the claims it has given. */
export interface Subject {
  readonly name: string
  readonly store: OpenStore
  readonly advance: (ms: number) => Promise<void>
}

/** A store whose transactions nobody looks into. */
export type OpenStore = Pick<Store<unknown>, 'parked' | 'inbox' | 'deadLetters' | 'transaction'>

/** Hides which client a store has: the property only passes transactions on. */
export function subjectOf<Tx>(name: string, store: Store<Tx>, advance: Subject['advance']): Subject {
  return { name, store, advance }
}

/** One run's view of a subject: which messages it was given, and which claims it gave, in the model's terms. */
export class Run {
  readonly subject: Subject
  /** Of this run alone, so that a database serves many. */
  readonly group: string
  readonly #claims = new Map<string, Claimed>()
  readonly #wires = new Map<string, WireMessage>()

  constructor(subject: Subject, group: string) {
    this.subject = subject
    this.group = group
    for (const [label, key] of Object.entries(messages)) {
      const parts = { type: 'case.happened', stream: 's', priority: 'normal', headers: { label } } as const
      this.#wires.set(label, { ...parts, id: randomUUID(), key, body: Buffer.from(label) })
    }
  }

  readonly wire = (label: string): WireMessage => {
    const wire = this.#wires.get(label)
    if (wire === undefined) throw new Error(`there is no message ${label}`)
    return wire
  }

  readonly labelOf = ({ headers }: WireMessage): string => headers['label'] ?? '?'

  readonly remember = (name: string, claim: Claimed): void => {
    this.#claims.set(name, claim)
  }

  claimed(name: string): Claimed {
    const claim = this.#claims.get(name)
    if (claim === undefined) throw new Error(`${this.subject.name} never gave ${name}`)
    return claim
  }

  async letterId(label: string): Promise<string | undefined> {
    const letters = await this.subject.store.deadLetters.list({ group: this.group, limit: 1_000 })
    return letters.find(({ message }) => message.id === this.wire(label).id)?.id
  }
}

export const failure = { code: 'E_TEST', name: 'Error', message: 'it broke', stack: null }

export const death: Death = { reason: 'attempts-exhausted', error: failure, fingerprint: 'f', attempts: 3 }
