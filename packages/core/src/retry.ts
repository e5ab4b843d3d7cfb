import { AcuseError, codeOf } from './errors.ts'
import { checkAtLeast } from './names.ts'

/** What to do after an attempt has failed. */
export type RetryDecision = { readonly retryInMs: number } | 'dead-letter'

/** Decides, from the error and the number of attempts spent (the first failure: 1), whether and when to try again. */
export type RetryPolicy = (error: unknown, attempts: number, random: () => number) => RetryDecision

export interface BackoffOptions {
  /** Attempts in all, the first included: 1 means no retry. */
  readonly attempts: number
  /** The delay before the second attempt, ms. */
  readonly baseMs: number
  /** No delay is longer than this, ms. */
  readonly maxMs: number
  /**
   * Takes away up to this part of a delay at random, so that what failed together does not come back together.
   * 0 to 1, default 0.5; 1 is "full jitter".
   */
  readonly jitter?: number
}

/** Delays of base, 2 × base, 4 × base, … up to the maximum. Throws `ACUSE_CONFIGURATION` for numbers that make no sense. */
export function exponential(options: BackoffOptions): RetryPolicy {
  return backoff('exponential', options, (attempts) => options.baseMs * 2 ** (attempts - 1))
}

/** Delays of base, 2 × base, 3 × base, … up to the maximum. Throws `ACUSE_CONFIGURATION` for numbers that make no sense. */
export function linear(options: BackoffOptions): RetryPolicy {
  return backoff('linear', options, (attempts) => options.baseMs * attempts)
}

/** The first failure is final. */
export const noRetry: RetryPolicy = () => 'dead-letter'

function backoff(name: string, options: BackoffOptions, delayAfter: (attempts: number) => number): RetryPolicy {
  const { attempts: limit, baseMs, maxMs, jitter = 0.5 } = options
  checkAtLeast(`${name} retry: attempts`, limit, 1)
  checkAtLeast(`${name} retry: baseMs`, baseMs, 0)
  checkAtLeast(`${name} retry: maxMs`, maxMs, baseMs)
  checkAtLeast(`${name} retry: jitter`, jitter, 0)
  checkAtLeast(`${name} retry: 1 - jitter`, 1 - jitter, 0)
  return (error, attempts, random) => {
    if (attempts >= limit || isFinal(error)) return 'dead-letter'
    const delay = Math.min(delayAfter(attempts), maxMs)
    return { retryInMs: Math.round(delay * (1 - jitter * random())) }
  }
}

/** Our own errors know whether repeating can help; all others may. */
function isFinal(error: unknown): boolean {
  return error instanceof AcuseError && !error.retryable
}

/** Recognises errors: by class, by `code`, or by a question. */
export type ErrorMatch = (abstract new (...parameters: never[]) => Error) | string | ((error: unknown) => boolean)

/** Chooses a policy by error; the first match counts. */
export function byError(
  rules: readonly { readonly when: ErrorMatch; readonly retry: RetryPolicy }[],
  otherwise: RetryPolicy,
): RetryPolicy {
  return (error, attempts, random) => {
    const rule = rules.find(({ when }) => matches(when, error))
    return (rule?.retry ?? otherwise)(error, attempts, random)
  }
}

function matches(when: ErrorMatch, error: unknown): boolean {
  if (typeof when === 'string') return codeOf(error) === when
  if (isErrorClass(when)) return error instanceof when
  return when(error)
}

function isErrorClass(when: Exclude<ErrorMatch, string>): when is abstract new (...parameters: never[]) => Error {
  return when === Error || when.prototype instanceof Error
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_SOCKET',
])

/** Whether an error, or what caused it, says that something on the network did not answer. */
export function isNetworkError(error: unknown): boolean {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; current = current.cause, depth++) {
    const code = codeOf(current)
    if (code !== undefined && (networkCodes.has(code) || code === 'ACUSE_DEPENDENCY_DOWN')) return true
    if (current.name === 'TimeoutError') return true
  }
  return false
}

export interface RetryPresets {
  /** 5 retries, 1 s to 10 min, exponential. */
  readonly notifications: RetryPolicy
  /** 10 retries, 500 ms to 2 min, linear. */
  readonly tracking: RetryPolicy
  /** 3 attempts, 1 s to 30 s, exponential. */
  readonly events: RetryPolicy
  /** Network errors: 5 attempts, 1 s to 1 min, exponential. Anything else is dead-lettered at once. */
  readonly transientOnly: RetryPolicy
}

/** Policies for common kinds of work, by name. */
export const retryPresets: RetryPresets = {
  notifications: exponential({ attempts: 6, baseMs: 1_000, maxMs: 600_000 }),
  tracking: linear({ attempts: 11, baseMs: 500, maxMs: 120_000 }),
  events: exponential({ attempts: 3, baseMs: 1_000, maxMs: 30_000 }),
  transientOnly: byError(
    [{ when: isNetworkError, retry: exponential({ attempts: 5, baseMs: 1_000, maxMs: 60_000 }) }],
    noRetry,
  ),
}
