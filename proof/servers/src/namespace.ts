import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

const ours = linkOf('self')

/**
 * A PID namespace of Linux, held open: the kernel gives the number of one that is gone to the next, so whoever only
 * remembers the number may kill the processes of somebody else.
 */
export class Namespace implements Disposable {
  readonly #file: number
  readonly #link: string

  private constructor(file: number, link: string) {
    this.#file = file
    this.#link = link
  }

  /** The namespace that the children of a process are in; null when it has none, or that of this process. */
  static below(pid: number): Namespace | null {
    let file: number
    try {
      file = openSync(`/proc/${pid}/ns/pid_for_children`, 'r')
    } catch {
      return null
    }
    const link = `pid:[${fstatSync(file).ino}]`
    if (link !== ours) return new Namespace(file, link)
    closeSync(file)
    return null
  }

  /** Its processes that run or are stopped; one that has ended and waits for its parent is none. */
  members(): number[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && linkOf(name) === this.#link)
      .map(Number)
      .filter((pid) => statOf(pid)?.state !== 'Z')
  }

  /** Its first process, a child of one outside: with its end the kernel kills all others. */
  firstOf(parent: number): number | null {
    return this.members().find((pid) => statOf(pid)?.parent === parent) ?? null
  }

  [Symbol.dispose](): void {
    closeSync(this.#file)
  }
}

/** Whether SIGSTOP has reached the process. */
export function isStopped(pid: number): boolean {
  return statOf(pid)?.state === 'T'
}

/** Sends a signal to a process; one that is gone is none. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function linkOf(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return null
  }
}

// /proc/<pid>/stat: "pid (name) state parent …", and the name may hold spaces and brackets.
function statOf(pid: number): { readonly state: string; readonly parent: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const [state = '', parent = ''] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return null
  }
}
