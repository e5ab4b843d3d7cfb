import { type AcuseError, type Clock, type Intake, pause, type Received, type Source } from '@acuse/core'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Connection } from './connection.ts'
import { GatheredAcks } from './gathered-acks.ts'
import { readHandover, writeHandover } from './handover.ts'
import { lastWords } from './last-words.ts'
import { KeptChannel } from './kept-channel.ts'
import { declareGroup, declareQueue, type GroupQueue, type GroupShape, isThere } from './topology.ts'
import { deliveryCountOf, wireMessageOf } from './wire.ts'

/** A message of a queue, and how often the broker had handed it out before. */
export interface QueueMessage extends Received {
  readonly deliveryCount: number
}

/** A server that has sent nothing for so long has sent what there is room for, as a rule. */
const arrivalPauseMs = 50
const longestArrivalMs = 500

export interface QueueReaderOptions {
  readonly connection: Connection
  readonly clock: Clock
  readonly onError: (error: AcuseError) => void
  readonly source: Source
  readonly queue: GroupQueue
  readonly lane: number
  readonly shape: GroupShape
  /** Among the consumers of a queue the one with the highest is active, where the server heeds it (from 4.0). */
  readonly priority: number
  readonly intake: Intake<QueueMessage>
}

/** Reads one queue, as its only active consumer or as one that stands by. */
export class QueueReader {
  readonly #options: QueueReaderOptions
  readonly #channel: KeptChannel<Channel>
  /** What an owner that let go had never begun, with the count it had then: one more, and nobody else has had it since. */
  #unbegun = new Map<string, number>()
  /** What came while the handover is read. */
  #held: ConsumeMessage[] | undefined
  /** Of the channel of the moment. */
  #acks: GatheredAcks | undefined

  constructor(options: QueueReaderOptions) {
    const { connection, clock, onError, source, queue, lane, intake } = options
    this.#options = options
    this.#channel = new KeptChannel({
      what: `group ${source.group}, queue ${queue.name}`,
      clock,
      onError,
      create: () => connection.model.createChannel(),
      prepare: async (channel) => {
        await this.#declare(channel)
        await channel.prefetch(source.prefetch)
        intake.open(queue.name, lane)
        await this.#consume(channel)
      },
      onLost: async () => {
        this.#held = undefined
        const unbegun = await intake.lose(queue.name)
        this.#unbegun = countsOf(unbegun)
      },
    })
  }

  start(): Promise<void> {
    return this.#channel.start()
  }

  /** Lets go cleanly: whoever is next learns what was never begun. */
  async stop(): Promise<void> {
    const { connection, clock, queue, intake } = this.#options
    this.#acks?.flush()
    if (this.#channel.current !== undefined) await this.#arrival()
    const unbegun = countsOf(intake.unbegun(queue.name))
    if (unbegun.size > 0 && this.#channel.current !== undefined) {
      await lastWords(clock, writeHandover(connection, queue.name, unbegun))
    }
    this.#acks?.flush()
    await this.#channel.stop()
  }

  /**
   * What was acked last makes room for as many more, which the server sends at once. What has not come before its note is written would
   * come to the next owner as if it had been begun, and be parked: of 1,600 that were out 800 were, and later ones of their keys behind them.
   */
  async #arrival(): Promise<void> {
    const { clock, source, queue, intake } = this.#options
    const latest = clock.now() + longestArrivalMs
    let before: number
    do {
      before = intake.waiting(queue.name)
      await pause(clock, arrivalPauseMs)
    } while (intake.waiting(queue.name) !== before && before < source.prefetch && clock.now() < latest)
  }

  /** A new queue is left alone for a moment before anything can come: until then a kill of its node would take it along. */
  async #declare(channel: Channel): Promise<void> {
    const { connection, clock, queue, shape } = this.#options
    const isNew = !(await isThere(connection, queue.name))
    await declareQueue(channel, queue.name, shape.deliveryLimit)
    if (isNew) await pause(clock, shape.newQueueMs)
    await declareGroup(channel, queue, shape)
  }

  async #consume(channel: Channel): Promise<void> {
    const { clock, queue, priority } = this.#options
    const acks = new GatheredAcks(channel, clock, () => this.#channel.current === channel)
    this.#acks = acks
    await channel.consume(
      queue.name,
      (message) => {
        // The server has cancelled the consumer: the queue was deleted, or its node was lost.
        if (message === null) void channel.close().catch(() => undefined)
        else this.#onMessage(channel, acks, message)
      },
      { noAck: false, priority },
    )
  }

  #onMessage(channel: Channel, acks: GatheredAcks, message: ConsumeMessage): void {
    acks.came(message)
    if (this.#held !== undefined) this.#held.push(message)
    else if (this.#isInDoubt(message)) void this.#holdForHandover(channel, acks, message)
    else this.#take(acks, message)
  }

  /** It was out before, and not with an owner of whom it is known what was never begun. */
  #isInDoubt(message: ConsumeMessage): boolean {
    return wasOut(message) && this.#unbegun.get(idOf(message)) !== deliveryCountOf(message) - 1
  }

  async #holdForHandover(channel: Channel, acks: GatheredAcks, message: ConsumeMessage): Promise<void> {
    const held = [message]
    this.#held = held
    try {
      for (const [id, count] of await readHandover(channel, this.#options.queue.name)) this.#unbegun.set(id, count)
    } catch {
      // The channel is gone, and with it what was held; or the note cannot be read, and all of it stays in doubt.
    }
    if (this.#held !== held) return
    this.#held = undefined
    for (const one of held) this.#take(acks, one)
  }

  #take(acks: GatheredAcks, message: ConsumeMessage): void {
    const { source, queue, intake } = this.#options
    const wire = wireMessageOf(message)
    const redelivered = this.#isInDoubt(message)
    this.#unbegun.delete(wire.id)
    const ack = (): void => acks.ack(message)
    // A binding of an earlier version of the group brings what it no longer asks for.
    if (source.types !== 'all' && !source.types.includes(wire.type)) return ack()
    intake.add(queue.name, [{ message: wire, redelivered, ack, deliveryCount: deliveryCountOf(message) }])
  }
}

/** What may have been begun before stays in doubt, whoever lets go of it. */
function countsOf(messages: readonly QueueMessage[]): Map<string, number> {
  return new Map(
    messages.filter(({ redelivered }) => !redelivered).map(({ message, deliveryCount }) => [message.id, deliveryCount]),
  )
}

function wasOut(message: ConsumeMessage): boolean {
  return message.fields.redelivered || deliveryCountOf(message) > 0
}

function idOf(message: ConsumeMessage): string {
  return wireMessageOf(message).id
}
