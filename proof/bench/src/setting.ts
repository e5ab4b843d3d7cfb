import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, release, totalmem, type } from 'node:os'
import process from 'node:process'
import { join } from 'node:path'
import { Client } from 'pg'
import type { BrokerKind } from './brokers/broker.ts'
import type { BenchOptions } from './options.ts'
import type { Setting } from './report-page.ts'
import type { Servers } from './run.ts'
import { serverSettings } from './server.ts'

const postgresPackages = ['pg', 'pg-boss', 'graphile-worker']

/** Looks up what the result depends on. */
export async function readSetting(
  { postgres, broker }: Servers,
  kind: BrokerKind | null,
  options: BenchOptions,
  { args, loadBefore }: { readonly args: readonly string[]; readonly loadBefore: number },
): Promise<Setting> {
  const processors = cpus()
  const packages = kind === null ? postgresPackages : ['pg', ...kind.packages]
  return {
    title: kind === null ? null : kind.title,
    date: new Date().toISOString().slice(0, 10),
    processors: `${processors.length} × ${processors[0]?.model.trim() ?? 'processor'}`,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release().split('-')[0]}`,
    loadBefore,
    versions: [
      ...(kind === null || broker === undefined ? [] : [`${kind.title} ${broker.version}`]),
      `PostgreSQL ${await serverVersion(postgres.url())}`,
      `Node ${process.versions.node}`,
      ...packages.map((name) => `${name} ${versionOf(name)}`),
    ],
    serverSettings,
    command: `npm run bench -- ${args.join(' ')}`,
    sliceSeconds: options.seconds,
    rounds: options.rounds,
  }
}

async function serverVersion(url: string): Promise<string> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ version: string }>(`select current_setting('server_version') as version`)
    return rows[0]?.version ?? 'unknown'
  } finally {
    await client.end()
  }
}

/** Not by importing package.json, which packages need not export. */
function versionOf(name: string): string {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const version = versionIn(join(folder, name, 'package.json'))
    if (version !== undefined) return version
  }
  return 'unknown'
}

function versionIn(file: string): string | undefined {
  try {
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version?: string }
    return version
  } catch {
    return undefined
  }
}
