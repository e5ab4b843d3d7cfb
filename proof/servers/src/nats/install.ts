import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { installed } from '../cache.ts'
import { runGo } from '../go.ts'
import { makeWhole, type Report } from '../make-whole.ts'

/** The newest release, which Debian does not have. */
const version = 'v2.15.3'

/** What errors and the list of what is installed call it. */
export const newestNats: string = `NATS ${version}`

/** The folder's name in the cache. */
export const natsName: string = `nats-${version}`

/** Builds NATS of its Go module, unless it is there. */
export async function installNats(report: Report): Promise<void> {
  await makeWhole(natsName, report, async (folder, timeoutMs) => {
    report('downloads and builds')
    // Paths of its own, so that Go leaves nothing elsewhere; and writable, so that they can be deleted.
    const path = join(folder, 'go')
    const env = {
      ...process.env,
      ...{
        GOPATH: path,
        GOCACHE: join(path, 'cache'),
        GOBIN: join(folder, 'bin'),
        GOFLAGS: '-modcacherw',
        CGO_ENABLED: '0',
      },
    }
    const built = await runGo(newestNats, ['install', `github.com/nats-io/nats-server/v2@${version}`], {
      timeoutMs,
      env,
    })
    if (built !== '') report(built)
    await rm(path, { recursive: true })
    await rename(join(folder, 'bin', 'nats-server'), join(folder, 'nats-server'))
  })
}

/**
 * The folder with the newest server.
 *
 * @throws Error when it is not installed.
 */
export function natsFolder(): string {
  return installed(natsName, newestNats)
}
