import { setTimeout as delay } from 'node:timers/promises'

/** What a service said. */
export interface HttpAnswer {
  status: number
  /** The body, if it was JSON; else its text. */
  body: unknown
}

export interface SendOptions {
  method?: 'GET' | 'POST' | 'PUT'
  body?: unknown
  /** Ends the waiting and the trying. */
  signal: AbortSignal
  /** One try. Default 5,000 ms: a frozen service must not hold its caller up for long. */
  timeoutMs?: number
}

/** One request, one answer. Rejects when there is none. */
export async function send(
  url: string,
  { method = 'GET', body, signal, timeoutMs = 5_000 }: SendOptions,
): Promise<HttpAnswer> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const text = await response.text()
  return { status: response.status, body: parsed(text) }
}

export interface PersistentOptions extends SendOptions {
  /** How long to go on trying. */
  giveUpMs: number
}

/**
 * Asks until somebody answers with something else than an error of the server's, at each try the next of the addresses.
 * Rejects with the last failure when the time is over, or when `signal` aborts.
 */
export async function sendUntilAnswered(
  urls: readonly string[],
  { giveUpMs, ...options }: PersistentOptions,
): Promise<HttpAnswer> {
  const endsAt = performance.now() + giveUpMs
  for (let attempt = 0; ; attempt += 1) {
    const url = urls[attempt % urls.length] ?? ''
    let failure: Error
    try {
      const answer = await send(url, options)
      if (answer.status < 500 && answer.status !== 429) return answer
      failure = new Error(`${url} answered ${answer.status}: ${excerpt(answer.body)}`)
    } catch (error) {
      options.signal.throwIfAborted()
      failure = new Error(`${url} did not answer: ${causeOf(error)}`, { cause: error })
    }
    if (performance.now() >= endsAt) throw failure
    await delay(Math.min(500, 20 * 2 ** attempt), undefined, { signal: options.signal })
  }
}

/** What a body says, shortened for a message. */
export function excerpt(body: unknown): string {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return text.length > 200 ? `${text.slice(0, 200)}…` : text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

// fetch says "fetch failed" for everything; the cause says what it was.
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  return cause instanceof Error ? cause.message || cause.name : error.message
}
