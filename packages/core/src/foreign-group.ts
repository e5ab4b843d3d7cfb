import type { Clock } from './clock.ts'
import type { Codec } from './codec.ts'
import { ConfigurationError } from './errors.ts'
import type { ForeignMessage, ForeignPlace, ForeignSource } from './foreign.ts'
import { type ForeignMapping, ForeignReading } from './foreign-reading.ts'
import { GroupDeclaration, type Pipe, type Registration } from './group.ts'
import type { GroupOptions } from './handler.ts'
import type { AnyMessageType, WireMessage } from './message.ts'
import { stream } from './stream.ts'
import type { TransportContext } from './transport.ts'

/** What stands for a type that no handler is registered for: its messages cannot be read, and become dead letters. */
const unreadable: AnyMessageType = stream('unreadable').message('unreadable', {
  schema: { '~standard': { version: 1, vendor: 'acuse', validate: (value) => ({ value }) } },
})

export interface ForeignGroupOptions<Tx> {
  readonly name: string
  readonly source: ForeignSource
  readonly mapping: ForeignMapping
  readonly group: GroupOptions<Tx>
  readonly newId: () => string
  readonly clock: Clock
}

/** A group whose messages come from a place that Acuse did not declare. All behind the place is as in any other group. */
export class ForeignGroup<Tx> extends GroupDeclaration<Tx> {
  readonly #source: ForeignSource
  readonly #reading: ForeignReading
  readonly #unreadable: Registration<Tx> = {
    ...{ type: unreadable, mode: 'effect', most: 1, waitMs: 0 },
    handle: () => undefined,
  }
  #place: ForeignPlace | undefined
  #deadLetterPlace: ForeignPlace | undefined

  constructor({ name, source, mapping, group, newId, clock }: ForeignGroupOptions<Tx>) {
    super(name, group)
    const makesIds = source.acceptRisks.includes('duplicates')
    const hasIds = source.hasIds || mapping.id !== undefined || mapping.codec !== undefined
    if (!hasIds && !makesIds) {
      throw new ConfigurationError(
        `group ${name}: messages of ${source.name} have no id that Acuse knows of, so one that comes again cannot be told from a new one. Give the mapping an id, or accept it with acceptRisks: ['duplicates'].`,
      )
    }
    this.#source = source
    this.#reading = new ForeignReading({
      ...{ group: name, source: source.name, mapping, makesIds, newId, clock },
      types: () => new Map([...this.registrations].map(([type, registration]) => [type, registration.type])),
    })
  }

  override get codec(): Codec {
    return this.#reading.codec
  }

  override get isForeign(): boolean {
    return true
  }

  override get deadLetterPipe(): Pipe | undefined {
    return this.#deadLetterPlace === undefined ? undefined : this.#pipeFrom(this.#deadLetterPlace)
  }

  override async open(context: TransportContext): Promise<void> {
    this.#place ??= await this.#source.open(context)
    this.#deadLetterPlace ??= await this.#source.deadLetters?.open(context)
  }

  override async close(): Promise<void> {
    await this.#deadLetterPlace?.[Symbol.asyncDispose]()
    await this.#place?.[Symbol.asyncDispose]()
  }

  override pipe(transport: Pipe): Pipe {
    return this.#place === undefined ? transport : this.#pipeFrom(this.#place)
  }

  override registrationOf(message: WireMessage): Registration<Tx> {
    // Its type may have been unknown when it came, and known by the time it is replayed.
    const named = this.registrations.get(message.type) ?? this.registrations.get(this.#reading.typeOf(message) ?? '')
    return named ?? this.#unreadable
  }

  #pipeFrom(place: ForeignPlace): Pipe {
    const wireOf = (message: ForeignMessage): WireMessage | null => this.#reading.wireOf(message)
    return { consume: ({ group, from, prefetch }, sink) => place.consume({ group, from, prefetch, wireOf }, sink) }
  }
}
