import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** A PID namespace of Linux, as /proc names it; null where there is none yet, or none any more. */
export type Namespace = string | null

const ours = linkOf('self', 'pid')

/** The namespace that the children of a process are in, when that is not the one of this process. */
export function namespaceBelow(pid: number): Namespace {
  const below = linkOf(String(pid), 'pid_for_children')
  return below === ours ? null : below
}

/** The live processes of a namespace, with those that are stopped. */
export function membersOf(namespace: Namespace): number[] {
  if (namespace === null) return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && linkOf(name, 'pid') === namespace)
    .map(Number)
}

/** The first process of a namespace: with its end the kernel kills all others. */
export function firstOf(namespace: Namespace, parent: number): number | null {
  return membersOf(namespace).find((pid) => statOf(pid)?.parent === parent) ?? null
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

function linkOf(process: string, kind: string): Namespace {
  try {
    return readlinkSync(`/proc/${process}/ns/${kind}`)
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
