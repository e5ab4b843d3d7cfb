import { createProgress } from '../display/progress.ts'
import type { ProgressOutput } from '../display/progress.ts'
import type { ProgressState } from '../display/render.ts'

/** How the run speaks to whoever started it. */
export interface Voice {
  /** A line of its own. */
  say: (text: string) => void
  /** The live display; begins with its first state. */
  show: (state: ProgressState) => void
  /** Ends the live display, and leaves its last state standing. */
  endShow: () => void
}

/** Speaks on `output`: standard output, or standard error where standard output is for a program. */
export function createVoice(output: ProgressOutput): Voice {
  const progress = createProgress(output)
  let showing = true
  return {
    say(text) {
      if (showing) progress.note(text)
      else output.write(`${text}\n`)
    },
    show: (state) => progress.update(state),
    endShow() {
      showing = false
      progress.end()
    },
  }
}
