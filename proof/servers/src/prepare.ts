import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './cache.ts'
import { installOnHost, missingPackages, type HostProgram } from './host-packages.ts'
import { makeRoot } from './debian/make-root.ts'
import { installKafka, kafkaName, kafkaVersion } from './kafka/install.ts'
import type { Report } from './make-whole.ts'
import { packagesOf, rootName, type Suite } from './debian/suites.ts'

/** Something of the cache that can be installed. */
interface Installable {
  readonly name: string
  /** What is of use in it. */
  readonly contains: string
  readonly folder: string
  readonly programs: readonly HostProgram[]
  install(report: Report): Promise<void>
}

const debootstrap: readonly HostProgram[] = [
  { file: '/usr/sbin/debootstrap', package: 'debootstrap' },
  // For the certificates of servers that are to be reached by TLS.
  { file: '/usr/bin/openssl', package: 'openssl' },
  { file: '/usr/share/keyrings/debian-archive-keyring.gpg', package: 'debian-archive-keyring' },
]

function debianRoot(suite: Suite): Installable {
  return {
    name: `Debian ${suite}`,
    contains: packagesOf[suite].join(', '),
    folder: join(cacheFolder(), rootName(suite)),
    programs: debootstrap,
    install: async (report) => await makeRoot(suite, report),
  }
}

const kafka: Installable = {
  name: `Kafka ${kafkaVersion}`,
  contains: 'its libraries',
  folder: join(cacheFolder(), kafkaName),
  programs: [
    { file: '/usr/bin/java', package: 'default-jre-headless' },
    { file: '/usr/bin/mvn', package: 'maven' },
  ],
  install: installKafka,
}

const all: readonly Installable[] = [debianRoot('bookworm'), debianRoot('trixie'), kafka]

async function prepare(say: (line: string) => void): Promise<readonly Installable[]> {
  const missing = all.filter(({ folder }) => !existsSync(folder))
  if (missing.length === 0) return missing
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(`The servers for the tests are not in ${cacheFolder()}, and installing them needs root on Debian.`)
  }
  const packages = [...new Set(missing.flatMap(({ programs }) => missingPackages(programs)))]
  const onHost = packages.length === 0 ? '' : `, and by apt ${packages.join(', ')}`
  say(
    `Installs ${missing.map(({ name, contains }) => `${name} with ${contains}`).join('; ')} into ${cacheFolder()}${onHost}. It takes some minutes.`,
  )
  const beganMs = performance.now()
  await installOnHost(packages)
  const report = (name: string) => (progress: string) => {
    say(`${String(Math.round((performance.now() - beganMs) / 1000)).padStart(4)} s  ${name}: ${progress}`)
  }
  await Promise.all(
    missing.map(async (item) => {
      await item.install(report(item.name))
      report(item.name)('is there')
    }),
  )
  return missing
}

const json = process.argv.includes('--json')
try {
  const made = await prepare((line) => process.stderr.write(`${line}\n`))
  const installed = all.map(({ name, folder }) => ({ name, folder }))
  const answer = json
    ? JSON.stringify({ folder: cacheFolder(), installed, made: made.map(({ folder }) => folder) })
    : `Servers for the tests are in ${cacheFolder()}.`
  process.stdout.write(`${answer}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
