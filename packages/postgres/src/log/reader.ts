import { AcuseError, type Clock, point } from '@acuse/core'
import type { Db } from '../db.ts'
import { Alarm } from './alarm.ts'
import type { Incarnation } from './incarnation.ts'
import { type Page, type PageRequest, readLog } from './read-query.ts'
import type { Reporter } from './report.ts'
import type { Ticker } from './ticks.ts'

/** A subscription as the reader sees it. */
export interface PageTaker {
  /** What it can take now, and where each page goes. */
  wanted(): readonly WantedPage[]
  /** The newest registered stream. */
  noticeStreams(latest: number): void
  /** The server was restarted or is another one: every position in memory is void. */
  reset(): void
}

export interface WantedPage {
  readonly request: PageRequest
  take(page: Page): void
}

export interface ReaderOptions {
  readonly db: Db
  readonly clock: Clock
  /** The longest pause between two looks at a quiet log, ms. */
  readonly pollMaxMs: number
  readonly reporter: Reporter
  readonly ticker: Ticker
  /** Enters the server's incarnation, and tells which it is. */
  readonly enter: () => Promise<Incarnation>
}

const pollMinMs = 2
const restPerLook = 2
/** A look that stood still with its process or network says nothing of how busy the server is. */
const longestRestMs = 100
const firstRetryMs = 100
const longestRetryMs = 2_000
const readingLog = 'reading the log'

/** Reads for all subscriptions of a process in one statement, often while there is something and rarely when there is not. */
export class Reader {
  readonly #options: ReaderOptions
  readonly #takers = new Set<PageTaker>()
  readonly #alarm: Alarm
  #incarnation: Incarnation
  #pauseMs = pollMinMs
  #retryMs = firstRetryMs

  constructor(options: ReaderOptions, incarnation: Incarnation) {
    this.#options = options
    this.#incarnation = incarnation
    this.#alarm = new Alarm(
      options.clock,
      () => this.#read(),
      (error) => {
        options.reporter.failed(readingLog, error)
        this.#alarm.ring(this.#retryMs)
        this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs)
      },
    )
  }

  /** The server that positions in memory belong to. */
  get incarnation(): Incarnation {
    return this.#incarnation
  }

  add(taker: PageTaker): () => void {
    this.#takers.add(taker)
    this.wake()
    return () => this.#takers.delete(taker)
  }

  /** Looks at once: something was appended, or can be taken again. */
  wake(): void {
    this.#pauseMs = pollMinMs
    this.#alarm.ring(0)
  }

  async stop(): Promise<void> {
    await this.#alarm.stop()
  }

  async #read(): Promise<void> {
    const { db, reporter, ticker } = this.#options
    const wanted = [...this.#takers].flatMap((taker) => taker.wanted())
    if (this.#takers.size === 0) return
    point('log.beforeRead')
    const beganMs = performance.now()
    const reading = await readLog(
      db.query.bind(db),
      db.schema,
      wanted.map(({ request }) => request),
    )
    point('log.afterRead')
    const lookMs = performance.now() - beganMs
    if (reading.incarnation === null) {
      throw new AcuseError(
        'ACUSE_READ_ONLY',
        'The log is on a standby now. It is read again once the server takes writes.',
      )
    }
    if (reading.incarnation !== this.#incarnation) {
      await this.#startOver()
      return
    }
    this.#retryMs = firstRetryMs
    reporter.recovered(readingLog)
    for (const [index, page] of reading.pages.entries()) wanted[index]?.take(page)
    for (const taker of this.#takers) taker.noticeStreams(reading.latestStream)
    const rows = reading.pages.reduce((sum, page) => sum + page.rows.length, 0)
    ticker.note(rows)
    const more = reading.pages.some((page) => page.more)
    if (rows > 0) this.#pauseMs = restAfter(lookMs)
    this.#alarm.ring(this.#nextPauseMs(more))
  }

  #nextPauseMs(more: boolean): number {
    if (more) return 0
    const pauseMs = this.#pauseMs
    this.#pauseMs = Math.min(this.#pauseMs * 2, this.#options.pollMaxMs)
    return Math.min(pauseMs, this.#options.pollMaxMs)
  }

  /** After a restart the server may have forgotten transactions that were read here. The cursors stored in it have not. */
  async #startOver(): Promise<void> {
    this.#incarnation = await this.#options.enter()
    for (const taker of this.#takers) taker.reset()
    this.wake()
  }
}

/** How long to leave a log alone that was just found busy, ms: a server that answers late is asked less often. */
export function restAfter(lookMs: number): number {
  return Math.min(longestRestMs, Math.max(pollMinMs, restPerLook * lookMs))
}
