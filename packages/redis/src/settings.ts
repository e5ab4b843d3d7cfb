import { AcuseError, ConfigurationError } from '@acuse/core'
import type { Redis } from 'ioredis'
import { hasPrefix } from './errors.ts'
import { listOf, numberOf, pairsOf, textOf } from './reply.ts'

/** What `allowUnsafe` can name. Each of these loses messages that were acknowledged. */
export type UnsafeSetting =
  | 'appendonly'
  | 'appendfsync'
  | 'no-appendfsync-on-rewrite'
  | 'maxmemory-policy'
  /** The server does not let its settings be read. */
  | 'unreadable'

interface Finding {
  readonly setting: UnsafeSetting
  readonly found: string
  readonly danger: string
  readonly mend: string
}

/** What was learnt of the server. */
export interface ServerFacts {
  readonly runId: string
  /** Whether a publish has to ask that it is on disk before it counts: without `appendfsync always`, from 7.2. */
  readonly waitAof: boolean
  /** The largest value that it takes. */
  readonly mostBytes: number
}

const oldest = [7, 0] as const
/** From here on WAITAOF says when a write is on disk. */
const withWaitAof = [7, 2] as const
const read = ['appendonly', 'appendfsync', 'no-appendfsync-on-rewrite', 'maxmemory-policy', 'proto-max-bulk-len']
const defaultMostBytes = 512 * 1024 * 1024

/**
 * Refuses a server that would lose what it has confirmed. Throws `ACUSE_READ_ONLY` for a replica, `ACUSE_CONFIGURATION` for a server that
 * is too old or a cluster, and `ACUSE_UNSAFE_SETTING` for every finding that `allowed` does not list.
 */
export async function auditServer(redis: Redis, host: string, allowed: readonly UnsafeSetting[]): Promise<ServerFacts> {
  const info = infoOf(await redis.info())
  const version = info.get('redis_version') ?? ''
  if (info.get('role') !== 'master') {
    throw new AcuseError(
      'ACUSE_READ_ONLY',
      `redis ${host}: this server is a replica: nothing can be written, and what is read may be behind. Connect to the primary.`,
    )
  }
  if (info.get('redis_mode') === 'cluster') {
    throw new ConfigurationError(`redis ${host}: the server is part of a cluster; only single primaries are supported.`)
  }
  if (!isAtLeast(version, oldest)) {
    throw new ConfigurationError(`redis ${host}: the server is ${version}; ${oldest.join('.')} or newer is needed.`)
  }
  const settings = await settingsOf(redis)
  const canWait = isAtLeast(version, withWaitAof)
  refuse(host, settings === undefined ? [unreadable] : findings(settings, canWait), allowed)
  const isAlways = settings?.get('appendfsync') === 'always'
  return {
    runId: info.get('run_id') ?? '',
    waitAof: canWait && !isAlways && settings?.get('appendonly') === 'yes' && !allowed.includes('appendfsync'),
    mostBytes: mostBytesOf(settings),
  }
}

/** The largest value that the server takes now: somebody may have raised it. */
export async function readMostBytes(redis: Redis): Promise<number> {
  return mostBytesOf(await settingsOf(redis))
}

function mostBytesOf(settings: ReadonlyMap<string, string> | undefined): number {
  return Number(settings?.get('proto-max-bulk-len') ?? defaultMostBytes)
}

/** What of the server's settings may lose what it has confirmed, whoever writes it. */
export async function lossesOf(redis: Redis): Promise<readonly string[]> {
  const settings = await settingsOf(redis)
  const found = settings === undefined ? [unreadable] : findings(settings, false)
  return found.map(({ found: what, danger }) => `${what}: ${danger}`)
}

/** Which run of the server this is: another one after each start. */
export async function runIdOf(redis: Redis): Promise<string> {
  return infoOf(await redis.info('server')).get('run_id') ?? ''
}

/** Waits until what this connection has written is on disk, and says whether it is. From 7.2. */
export async function isOnDisk(redis: Redis, withinMs: number): Promise<boolean> {
  const [local] = listOf(await redis.call('WAITAOF', [1, 0, Math.ceil(withinMs)]))
  return numberOf(local) >= 1
}

function infoOf(text: string): Map<string, string> {
  const lines = text.split('\r\n').map((line) => line.split(':', 2))
  return new Map(lines.map(([name = '', value = '']) => [name, value]))
}

/** Undefined where the user may not read them, or the service has taken the command away. */
async function settingsOf(redis: Redis): Promise<Map<string, string> | undefined> {
  try {
    const reply = await redis.call('CONFIG', ['GET', ...read])
    return new Map(pairsOf(reply).map(([name, value]) => [name, textOf(value)]))
  } catch (error) {
    if (hasPrefix(error, 'NOPERM') || hasPrefix(error, 'ERR unknown command')) return undefined
    throw error
  }
}

const unreadable: Finding = {
  setting: 'unreadable',
  found: 'CONFIG GET is refused, so it cannot be seen whether the server writes to disk what it confirms',
  danger: 'with the settings that Redis comes with, everything is gone after a crash',
  mend: 'ACL SETUSER … +config|get, or look that appendonly is yes, appendfsync always and maxmemory-policy noeviction',
}

function findings(settings: ReadonlyMap<string, string>, canWait: boolean): readonly Finding[] {
  const found: Finding[] = []
  if (settings.get('appendonly') !== 'yes') {
    found.push({
      setting: 'appendonly',
      found: 'appendonly is no',
      danger: 'a crash loses everything since the last snapshot, the groups too',
      mend: 'CONFIG SET appendonly yes, then CONFIG REWRITE',
    })
  } else {
    found.push(...syncFindings(settings, canWait))
  }
  const policy = settings.get('maxmemory-policy')
  if (policy !== 'noeviction') {
    found.push({
      setting: 'maxmemory-policy',
      found: `maxmemory-policy is ${policy ?? 'not set'}`,
      danger: 'a server that is short of memory throws away streams that were not read',
      mend: 'CONFIG SET maxmemory-policy noeviction, then CONFIG REWRITE',
    })
  }
  return found
}

function syncFindings(settings: ReadonlyMap<string, string>, canWait: boolean): readonly Finding[] {
  const found: Finding[] = []
  const sync = settings.get('appendfsync')
  // With `everysec` and WAITAOF a publish counts once it is on disk. Acks and leases of the last second may be gone: then more comes again.
  if (sync !== 'always' && !(sync === 'everysec' && canWait)) {
    found.push({
      setting: 'appendfsync',
      found: `appendfsync is ${sync ?? 'not set'}`,
      danger:
        sync === 'everysec'
          ? 'a power failure loses what was confirmed in the last second or two'
          : 'a power failure loses what was confirmed in the last 30 seconds or so',
      mend: 'CONFIG SET appendfsync always, then CONFIG REWRITE',
    })
  }
  if (settings.get('no-appendfsync-on-rewrite') === 'yes') {
    found.push({
      setting: 'no-appendfsync-on-rewrite',
      found: 'no-appendfsync-on-rewrite is yes',
      danger: 'while the append-only file is rewritten nothing is brought to disk, whatever appendfsync says',
      mend: 'CONFIG SET no-appendfsync-on-rewrite no, then CONFIG REWRITE',
    })
  }
  return found
}

function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [hasMajor = 0, hasMinor = 0] = version.split('.').map(Number)
  return hasMajor > major || (hasMajor === major && hasMinor >= minor)
}

function refuse(host: string, found: readonly Finding[], allowed: readonly UnsafeSetting[]): void {
  const refused = found.filter(({ setting }) => !allowed.includes(setting))
  if (refused.length === 0) return
  throw new AcuseError(
    'ACUSE_UNSAFE_SETTING',
    refused
      .map(
        ({ setting, found: what, danger, mend }) =>
          `redis ${host}: ${what}: ${danger}. Mend it with: ${mend}. Or accept it with allowUnsafe: ['${setting}'].`,
      )
      .join('\n'),
  )
}
