import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedServer, startEmbedded } from '@acuse/postgres/embedded'

/** Beside the durable defaults: room for nine contestants, and checkpoints that do not fall into one slice out of three. */
export const serverSettings: Readonly<Record<string, string>> = {
  max_connections: '300',
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
}

/** The one server that all contestants share, in a folder that goes with it. */
export async function startServer(): Promise<EmbeddedServer> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-bench-'))
  const server = await startEmbedded({ folder, settings: serverSettings })
  const stop = server.stop.bind(server)
  server.stop = async () => {
    await stop()
    await rm(folder, { recursive: true, force: true })
  }
  return server
}
