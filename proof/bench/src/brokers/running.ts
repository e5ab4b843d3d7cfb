import type { Server } from '@acuse-proof/servers'
import type { RunningBroker } from './broker.ts'
import type { BrokerName } from './place.ts'

export function running(name: BrokerName, server: Server, url: string = server.url): RunningBroker {
  const { pid, version } = server
  return { name, url, pid, version, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}
