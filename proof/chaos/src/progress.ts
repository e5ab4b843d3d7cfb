const logEveryMs = 5_000
const redrawEveryMs = 500

export interface ProgressOutput {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
}

export interface ProgressState {
  readonly elapsedMs: number
  readonly phase: string
  readonly committed: number
  readonly applied: readonly number[]
  readonly kills: number
  readonly faults: number
  readonly points: string
  readonly last: string
}

/** One live line on a terminal; elsewhere a line every five seconds. */
export class Progress {
  readonly #output: ProgressOutput
  readonly #read: () => ProgressState
  readonly #timer: NodeJS.Timeout
  #isDrawn = false

  constructor(output: ProgressOutput, read: () => ProgressState) {
    this.#output = output
    this.#read = read
    this.#timer = setInterval(() => this.#show(), output.isTTY === true ? redrawEveryMs : logEveryMs)
  }

  /** A line of its own. */
  note(text: string): void {
    this.#erase()
    this.#output.write(`${text}\n`)
  }

  end(): void {
    clearInterval(this.#timer)
    this.#erase()
  }

  #show(): void {
    const line = lineOf(this.#read())
    if (this.#output.isTTY !== true) {
      this.#output.write(`${line}\n`)
      return
    }
    this.#erase()
    this.#output.write(line)
    this.#isDrawn = true
  }

  #erase(): void {
    if (this.#isDrawn) this.#output.write('\r\u001b[2K')
    this.#isDrawn = false
  }
}

function lineOf({ elapsedMs, phase, committed, applied, kills, faults, points, last }: ProgressState): string {
  const seconds = Math.round(elapsedMs / 1_000)
  const counts = `committed ${committed}  applied ${applied.join(' + ')}  kills ${kills}  faults ${faults}  points ${points}`
  return `${String(seconds).padStart(4)} s  ${phase}  ${counts}${last === '' ? '' : `  ${last}`}`
}
