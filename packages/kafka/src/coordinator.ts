import { AcuseError } from '@acuse/core'
import { type API, FindCoordinatorKeyTypes } from '@platformatic/kafka'
import type { Cluster, Connections } from './connection.ts'
import { answerOf, errorName } from './errors.ts'
import { requests } from './protocol.ts'

/** It is no coordinator of this group, or not yet: another has to be found. */
const elsewhere: ReadonlySet<string> = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
])

/** The broker that keeps a group: its members, and its places in the partitions. */
export class Coordinator {
  readonly #cluster: Cluster
  readonly #connections: Connections
  readonly #group: string
  #node: number | undefined

  constructor(cluster: Cluster, connections: Connections, group: string) {
    this.#cluster = cluster
    this.#connections = connections
    this.#group = group
  }

  get group(): string {
    return this.#group
  }

  /** Asks it, wherever it is. What it answers as its error is thrown, or given to `codesOf` where the answer carries several. */
  async ask<Args extends unknown[], Response>(
    api: API<Args, Response>,
    codesOf: (response: Response) => readonly number[],
    ...args: Args
  ): Promise<Response> {
    try {
      this.#node ??= await this.#find()
      const response = await this.#connections.ask(this.#node, api, ...args)
      const answers = codesOf(response).map(errorName)
      if (answers.some((answer) => answer !== undefined && elsewhere.has(answer))) this.#node = undefined
      return response
    } catch (error) {
      const answer = answerOf(error)
      // Whatever is no answer is a broken connection.
      if (answer === undefined || elsewhere.has(answer)) this.#node = undefined
      throw error
    }
  }

  async #find(): Promise<number> {
    // On connections whose answers are not waited for longer than a session lasts.
    await this.#cluster.metadata([], this.#connections)
    const { coordinators } = await this.#connections.ask(
      undefined,
      requests.findCoordinator,
      FindCoordinatorKeyTypes.GROUP,
      [this.#group],
    )
    const found = coordinators[0]
    const error = errorName(found?.errorCode ?? 0)
    if (found !== undefined && error === undefined) return found.nodeId
    throw new AcuseError(
      'ACUSE_TRANSPORT_UNAVAILABLE',
      `group ${this.#group}: it has no coordinator at the moment (${error ?? 'no answer'}); it is tried again.`,
    )
  }
}
