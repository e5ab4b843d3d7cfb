/** How an instance of the service is told what to do. */
export interface Settings {
  /** 0 takes a free port. */
  readonly port: number
  readonly host: string
  readonly databaseUrl: string
  readonly transportUrl: string
  readonly gatewayUrl: string
  /** How long one request to the gateway may take, ms. */
  readonly gatewayTimeoutMs: number
  /** How long the gateway is left alone when it seems to be down, ms. */
  readonly breakerResetMs: number
  /** How long an instance that stopped answering keeps its share of the messages, ms. */
  readonly leaseMs: number
  readonly log: 'json' | 'quiet'
}

/** Reads the environment. Throws when something is missing or makes no sense. */
export function settingsFrom(env: NodeJS.ProcessEnv): Settings {
  const log = env['LOG'] ?? 'json'
  if (log !== 'json' && log !== 'quiet') throw new Error(`LOG is json or quiet, not ${log}.`)
  return {
    port: wholeNumber(env, 'PORT', 4003),
    host: env['HOST'] ?? '127.0.0.1',
    databaseUrl: text(env, 'DATABASE_URL'),
    transportUrl: text(env, 'TRANSPORT_URL'),
    gatewayUrl: text(env, 'GATEWAY_URL'),
    gatewayTimeoutMs: wholeNumber(env, 'GATEWAY_TIMEOUT_MS', 5_000),
    breakerResetMs: wholeNumber(env, 'BREAKER_RESET_MS', 30_000),
    leaseMs: wholeNumber(env, 'LEASE_MS', 15_000),
    log,
  }
}

function text(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set.`)
  return value
}

function wholeNumber(env: NodeJS.ProcessEnv, name: string, otherwise: number): number {
  const value = env[name] === undefined || env[name] === '' ? otherwise : Number(env[name])
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`${name} is a whole number from 0, not ${env[name]}.`)
  return value
}
