import { Partition } from './partition.ts'
import type { Server } from './server.ts'
import { eventually } from './waiting.ts'

const formTimeoutMs = 60_000

/** Servers that form one cluster. Nodes are told by their place in `nodes`, from 0. */
export class Cluster<S extends Server> implements AsyncDisposable {
  readonly nodes: readonly S[]
  readonly #beside: readonly Server[]

  constructor(nodes: readonly S[], beside: readonly Server[] = []) {
    this.nodes = nodes
    this.#beside = beside
  }

  /** The addresses of its nodes. */
  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url)
  }

  /**
   * Starts a node, or at once all that are down. Where the others are down too a node may wait for them before it is
   * ready, so what belongs together has to be started together.
   */
  async start(n?: number): Promise<void> {
    await this.#each(this.#beside, async (server) => await server.start())
    await this.#each(n === undefined ? this.nodes : [this.#node(n)], async (server) => await server.start())
  }

  /** Ends a node at once, without warning. */
  async kill(n: number): Promise<void> {
    await this.#node(n).kill()
  }

  /** Holds a node still: to the others it looks like one behind a broken network. */
  async freeze(n: number): Promise<void> {
    await this.#node(n).freeze()
  }

  /** Lets a frozen node go on. */
  async thaw(n: number): Promise<void> {
    await this.#node(n).thaw()
  }

  /**
   * Cuts a node off from the others, in both directions, until what is answered is disposed of. Clients reach it as before.
   *
   * @throws Error where the kernel does not filter packets for this process.
   */
  async cutOff(n: number): Promise<AsyncDisposable> {
    const node = this.#node(n)
    return await Partition.between(
      node,
      this.nodes.filter((other) => other !== node),
    )
  }

  /** Kills all nodes and deletes their data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#each([...this.nodes, ...this.#beside], async (server) => await server[Symbol.asyncDispose]())
  }

  #node(n: number): S {
    const node = this.nodes[n]
    if (node === undefined) throw new Error(`There is no node ${n}: there are ${this.nodes.length}, from 0.`)
    return node
  }

  /** Waits for all, also when some fail: what still starts could not be disposed of. */
  async #each<T>(servers: readonly T[], work: (server: T) => Promise<void>): Promise<void> {
    for (const outcome of await Promise.allSettled(servers.map(work))) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
  }
}

/** Starts a cluster that was just made, and waits until it has formed; one that does not leaves nothing. */
export async function formed<S extends Server>(
  cluster: Cluster<S>,
  order: 'together' | 'in turn',
  check: (node: S) => Promise<void>,
): Promise<Cluster<S>> {
  try {
    if (order === 'together') await cluster.start()
    else for (const n of cluster.nodes.keys()) await cluster.start(n)
    await Promise.all(cluster.nodes.map(async (node) => await eventually(async () => await check(node), formTimeoutMs)))
    return cluster
  } catch (error) {
    await cluster[Symbol.asyncDispose]()
    throw error
  }
}
