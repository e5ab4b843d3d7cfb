import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded, type EmbeddedServer } from '@acuse/postgres/embedded'
import type { TestProject } from 'vitest/node'

interface SharedServer {
  readonly started: Promise<EmbeddedServer>
  projects: number
}

// Each project of a run loads this file for itself, so what they share cannot live in its scope.
const run: typeof globalThis & { acuseTestServer?: SharedServer | undefined } = globalThis

/** One PostgreSQL for the whole run. Every test file makes databases of its own on it and drops them. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const shared = (run.acuseTestServer ??= { started: start(), projects: 0 })
  shared.projects += 1
  const server = await shared.started
  project.provide('adminUrl', server.url())
  return async () => {
    shared.projects -= 1
    if (shared.projects > 0) return
    run.acuseTestServer = undefined
    await server.stop()
    await rm(server.folder, { recursive: true, force: true })
  }
}

async function start(): Promise<EmbeddedServer> {
  const folder = await mkdtemp(join(tmpdir(), 'acuse-test-'))
  // Started by root, the server runs as a user of its own, which must get through to its data.
  await chmod(folder, 0o755)
  // Two test files at once, each with several services and their pools.
  const binaries = process.env['ACUSE_TEST_BINARIES']
  return startEmbedded({
    folder,
    settings: { max_connections: '300' },
    ...(binaries === undefined ? {} : { binaries }),
  })
}
