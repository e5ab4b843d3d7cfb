import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import type { Server } from '@acuse-proof/servers'
import { messageOf } from '@acuse/core'

import type { Options } from '../options.ts'
import { transportKind } from './transports.ts'
import type { BrokerKind } from './transports.ts'

/** What is between the services in this run. */
export interface RunTransport {
  /** What the services are told. It may hold a password. */
  url: string
  /** For people: what it is, and where if it was there before. */
  title: string
  /** The server, if this run has started it. */
  broker: Server | null
}

export interface RunTransportOptions extends Pick<Options, 'transport' | 'transportUrl' | 'folder'> {
  /** Makes the database that is the transport on PostgreSQL. */
  createBus: () => Promise<string>
  say: (text: string) => void
}

/** Takes the transport that was named, or starts one of this run's own. */
export async function openTransport(options: RunTransportOptions): Promise<RunTransport> {
  const { transport, transportUrl, createBus } = options
  const { title, broker } = transportKind(transport)
  if (transportUrl !== null) {
    return { url: transportUrl, title: `${title} at ${new URL(transportUrl).host}`, broker: null }
  }
  if (broker === null) return { url: await createBus(), title, broker: null }
  try {
    return await startBroker(title, broker, options)
  } catch (error) {
    const scheme = transportKind(transport).schemes[0]
    throw new Error(
      `${title} could not be started here: ${messageOf(error)} Or name one that runs: --transport-url ${scheme}://user:password@host`,
      { cause: error },
    )
  }
}

async function startBroker(
  title: string,
  { release, installation, start, urlOf = ({ url }) => url }: BrokerKind,
  { folder, say }: RunTransportOptions,
): Promise<RunTransport> {
  // Only now: most runs need none of it, and it is no package that users have.
  const servers = await import('@acuse-proof/servers')
  await servers.install([installation], say)
  say(`Starting ${title} ${release} …`)
  const parent = join(folder, 'broker')
  // What a run that was killed has left there. Whoever gets here has the folder to itself.
  await rm(parent, { recursive: true, force: true })
  await mkdir(parent, { recursive: true })
  const broker = await start(servers, parent)
  return { url: urlOf(broker), title: `${title} ${broker.version}`, broker }
}
