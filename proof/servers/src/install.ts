import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from './cache.ts'
import { goModules, goModulesName, installGoModules } from './go-programs.ts'
import { installOnHost, missingPackages, type HostProgram } from './host-packages.ts'
import { makeRoot } from './debian/make-root.ts'
import { installKafka, kafkaName, kafkaVersion } from './kafka/install.ts'
import type { Report } from './make-whole.ts'
import { installNats, natsName, newestNats } from './nats/install.ts'
import { packagesOf, rootName, type Suite } from './debian/suites.ts'

/** What is installed as one. */
export type Installation = Suite | 'kafka' | 'nats' | 'go-modules'

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

const nats: Installable = {
  name: newestNats,
  contains: 'its program, built by Go',
  folder: join(cacheFolder(), natsName),
  programs: [],
  install: installNats,
}

const modules: Installable = {
  name: goModules,
  contains: 'modules, compiled by Go',
  folder: join(cacheFolder(), goModulesName),
  programs: [],
  install: installGoModules,
}

const installables: Readonly<Record<Installation, Installable>> = {
  bookworm: debianRoot('bookworm'),
  trixie: debianRoot('trixie'),
  kafka,
  nats,
  'go-modules': modules,
}

/** All there are. */
export const installations: readonly Installation[] = ['bookworm', 'trixie', 'kafka', 'nats', 'go-modules']

/** Where one is, or will be. */
export function placeOf(installation: Installation): { readonly name: string; readonly folder: string } {
  const { name, folder } = installables[installation]
  return { name, folder }
}

/**
 * Gets what is not there yet, and answers which that was. Says in one line what it is about to do, and then how far it is.
 *
 * @throws Error where it needs root on Debian, and what the installing throws.
 */
export async function install(
  wanted: readonly Installation[],
  say: (line: string) => void,
): Promise<readonly Installation[]> {
  const absent = wanted.filter((name) => !existsSync(installables[name].folder))
  if (absent.length === 0) return absent
  const missing = absent.map((name) => installables[name])
  const names = missing.map(({ name, contains }) => `${name} with ${contains}`).join('; ')
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    throw new Error(`${names} is not in ${cacheFolder()}, and installing it needs root on Debian.`)
  }
  const packages = [...new Set(missing.flatMap(({ programs }) => missingPackages(programs)))]
  const onHost = packages.length === 0 ? '' : `, and by apt ${packages.join(', ')}`
  say(`Installs ${names} into ${cacheFolder()}${onHost}. It takes about two minutes, this once.`)
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
  return absent
}
