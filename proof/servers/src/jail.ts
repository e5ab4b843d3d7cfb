/** Where a program runs: a root of its own, which it cannot write, with folders of the host beside it. */
export interface Jail {
  /** The folder that is its root: a Debian root, or `/` for the host's own programs. */
  readonly root: string
  /** An empty folder of the host to mount the root on. Other processes do not see what is mounted there. */
  readonly mountpoint: string
  /** Folders of the host by their name under `/mnt`. */
  readonly folders: Readonly<Record<string, string>>
  /** The number of the user that it runs as. */
  readonly user: number
}

/** The user that servers run as: `nobody`. Debian gives it this number everywhere. */
export const serverUser = 65_534

/** The user of a cluster's `n`th node, from 0: nobody else's, so that its packets can be told from those of the others. */
export function nodeUser(n: number): number {
  return 64_101 + n
}

/** Where a server's data folder is, as it sees it itself: for settings that name one of its `files`. */
export const dataFolder = '/mnt/data'

// All of it happens in a mount namespace of its own and is gone with its last process.
const enter = `
set -e
at=$1 root=$2; shift 2
mount --rbind "$root" "$at"
mount -o remount,bind,ro "$at"
mount -t tmpfs -o mode=755 tmpfs "$at/mnt"
while [ "$1" != -- ]; do
  mkdir "$at/mnt/$1"
  mount --bind "$2" "$at/mnt/$1"
  shift 2
done
mount -t tmpfs -o mode=1777 tmpfs "$at/tmp"
mount -t proc proc "$at/proc"
mount --bind /dev "$at/dev"
shift
exec chroot "$at" "$@"
`

/**
 * The command line that runs a program in a jail, as an ordinary user and the first process of a PID namespace.
 *
 * The process that is spawned is the launcher: it ends when the program and all that it started have ended. It is killed
 * when the process that spawned it ends, and the program with it.
 */
export function jailed(jail: Jail, command: readonly string[]): readonly string[] {
  const folders = Object.entries(jail.folders).flat()
  // setpriv sets the signal after the user, which would clear it.
  const asUser = ['setpriv', `--reuid=${jail.user}`, `--regid=${jail.user}`, '--clear-groups', '--pdeathsig=KILL']
  return [
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child'],
    ...['sh', '-c', enter, 'jail', jail.mountpoint, jail.root, ...folders, '--'],
    ...[...asUser, ...command],
  ]
}
