import { type FaultProxy, startFaultProxy } from '@acuse/testing'
import type { Role } from '../roles/worker-config.ts'

/** The way of one process to one server, with a proxy on it that can break it. */
export interface Link {
  readonly name: string
  /** Whose way it is. */
  readonly role: Role
  readonly proxy: FaultProxy
}

interface Target {
  readonly host: string
  readonly port: number
  /** Where the proxy listens; 0, the default, where it may listen anywhere. */
  readonly proxyPort?: number
}

/** All links of a run. */
export class Links implements AsyncDisposable {
  readonly all: Link[] = []

  /** Puts a proxy before a server; gives its port. */
  async open(name: string, role: Role, { host, port, proxyPort = 0 }: Target): Promise<number> {
    const proxy = await startFaultProxy({ host, port }, proxyPort)
    this.all.push({ name, role, proxy })
    return proxy.port
  }

  /** Ends every fault of the network. */
  heal(): void {
    for (const { proxy } of this.all) proxy.set({ kind: 'pass' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map(({ proxy }) => proxy[Symbol.asyncDispose]()))
  }
}
