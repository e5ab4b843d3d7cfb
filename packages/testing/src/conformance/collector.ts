import type { Delivery, Sink } from '@acuse/core'
import { labelOf } from './messages.ts'

/** A sink that remembers what came, in order. */
export class Collector implements Sink {
  readonly deliveries: Delivery[] = []
  readonly revoked: string[] = []
  /** What is neither acked nor released, in the order it came. */
  readonly held: Set<Delivery> = new Set()
  /** The most that were held at once. */
  mostHeld = 0
  /** Called with each delivery; acks at once by default. */
  onDelivery: (delivery: Delivery) => void = (delivery) => this.ack(delivery)
  /** Resolves when the partition may go; by default at once, after releasing what is held of it. */
  onRevoke: (partition: string) => Promise<void> = async (partition) => this.releaseAll(partition)

  deliver(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      this.deliveries.push(delivery)
      this.held.add(delivery)
      this.mostHeld = Math.max(this.mostHeld, this.held.size)
      this.onDelivery(delivery)
    }
  }

  async revoke(partition: string): Promise<void> {
    this.revoked.push(partition)
    await this.onRevoke(partition)
  }

  ack(delivery: Delivery): void {
    if (this.held.delete(delivery)) delivery.ack()
  }

  release(delivery: Delivery): void {
    if (this.held.delete(delivery)) delivery.release()
  }

  ackAll(): void {
    for (const delivery of [...this.held]) this.ack(delivery)
  }

  /** Releases everything, or only what came from one partition. */
  releaseAll(partition?: string): void {
    for (const delivery of [...this.held]) {
      if (partition === undefined || delivery.partition === partition) this.release(delivery)
    }
  }

  /** Labels of everything that came, or of one key. */
  labels(key?: string): string[] {
    return this.deliveries
      .filter(({ message }) => key === undefined || message.key === key)
      .map(({ message }) => labelOf(message))
  }

  labelsHeld(): string[] {
    return [...this.held].map(({ message }) => labelOf(message))
  }
}
