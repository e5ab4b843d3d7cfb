import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { endOf, run } from '../commands.ts'
import { makeWhole, type Report } from '../make-whole.ts'
import { mirror, proxyVariables } from './mirror.ts'
import { packagesOf, rootName, type Suite } from './suites.ts'

/** What nobody reads in a root that only runs servers. */
const leftOut = ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'usr/share/info']

const phases: Readonly<Record<string, string>> = {
  Retrieving: 'downloads packages',
  Extracting: 'extracts the base system',
  Unpacking: 'unpacks packages',
  Configuring: 'configures packages',
}

/** Makes the root of a suite unless it is there. */
export async function makeRoot(suite: Suite, report: Report): Promise<void> {
  await makeWhole(rootName(suite), report, async (folder, timeoutMs) => {
    await prepare(folder)
    await debootstrap(suite, folder, timeoutMs, report)
    await finish(folder)
  })
}

/** What has to be there before the first package is unpacked. */
async function prepare(root: string): Promise<void> {
  const exclusions = leftOut.map((path) => `path-exclude=/${path}/*`)
  // A making that does not come to its end is made again, so dpkg need not wait for the disk after each file.
  await write(root, 'etc/dpkg/dpkg.cfg.d/acuse', ['force-unsafe-io', ...exclusions, ''].join('\n'))
  // Asked by packages before they start their service.
  await write(root, 'usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n')
  await chmod(join(root, 'usr/sbin/policy-rc.d'), 0o755)
}

async function debootstrap(suite: Suite, root: string, timeoutMs: number, report: Report): Promise<void> {
  const packages = packagesOf[suite].join(',')
  const command = ['debootstrap', '--variant=minbase', `--include=${packages}`, suite, root, await mirror()]
  // In namespaces of its own: what it mounts and starts goes with it, also when it is killed.
  const apart = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', ...command]
  const onLine = progressOf(report)
  try {
    await run(apart, { timeoutMs, env: { ...process.env, ...(await proxyVariables()) }, onLine })
  } catch (error) {
    const log = await readFile(join(root, 'debootstrap/debootstrap.log'), 'utf8').catch(() => '')
    throw new Error(`Debian ${suite} could not be installed into ${root}. Its log ends:\n${endOf(log)}`, {
      cause: error,
    })
  }
}

/** Reports a phase when it begins, and every 10 s how many packages it has come through. */
function progressOf(report: Report): (line: string) => void {
  const packages = new Map<string, Set<string>>()
  let reportedMs = 0
  return (line) => {
    const [, verb = '', name = ''] = /^I: (\w+) ([^\s.]+)/.exec(line) ?? []
    const phase = phases[verb]
    if (phase === undefined) return
    const done = packages.get(phase) ?? new Set()
    packages.set(phase, done.add(name))
    if (done.size > 1 && performance.now() - reportedMs < 10_000) return
    reportedMs = performance.now()
    report(done.size === 1 ? phase : `${phase}, ${done.size} so far`)
  }
}

async function finish(root: string): Promise<void> {
  // Copies of the host's would tie it to this machine. A server asks nobody about names: RabbitMQ 4.0 asks five times for that of the
  // machine while it starts, which took 44 s in place of 2 where the name server did not answer.
  await write(root, 'etc/hosts', '127.0.0.1 localhost\n')
  await write(
    root,
    'etc/nsswitch.conf',
    'passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n',
  )
  await rm(join(root, 'etc/resolv.conf'), { force: true })
  for (const path of [...leftOut, 'var/cache/apt', 'var/lib/apt/lists']) await empty(join(root, path))
}

async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) await rm(join(folder, name), { recursive: true })
}

async function write(root: string, path: string, content: string): Promise<void> {
  const file = join(root, path)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}
