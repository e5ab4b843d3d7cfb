import { accessSync, constants, readFileSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Packages resolve to their sources, so no test needs a build first. */
const conditions = ['@acuse/source']

/**
 * The servers' folders are in memory where there is room. They bring to disk what they confirm as ever; on one disk for all of them
 * that took most of the time: dropping a database 600 to 1,500 ms, and 50 to 150 here.
 */
process.env['TMPDIR'] = hasRoom() ? '/dev/shm' : tmpdir()

function hasRoom(): boolean {
  try {
    accessSync('/dev/shm', constants.W_OK)
    // A container often has no more than 64 MB of it, whatever its memory, and runs no program from there.
    if (/^\S+ \/dev\/shm .*\bnoexec\b/m.test(readFileSync('/proc/mounts', 'utf8'))) return false
    const { bavail, bsize } = statfsSync('/dev/shm')
    return Math.min(bavail * bsize, process.availableMemory()) > 8_000_000_000
  } catch {
    return false
  }
}

const folders = ['packages/*/test', 'services/*/test', 'proof/*/test', 'tools/test', 'test']
const filesOf = (tier: string): string[] => folders.map((folder) => `${folder}/**/*.${tier}.test.ts`)
const exclude = ['**/node_modules/**', '**/fixtures/**']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  // Where Vitest runs the global setup, which would otherwise take the packages' build, or fail without one.
  environments: { __vitest__: { resolve: { conditions, externalConditions: conditions } } },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: filesOf('unit'),
          exclude,
          testTimeout: 10_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'int',
          include: filesOf('int'),
          exclude,
          globalSetup: ['./test/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Each file works on real servers: more of them at once than two cores carry only makes each slower.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: filesOf('e2e'),
          exclude,
          globalSetup: ['./test/global-setup.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['packages/core/src/**/*.ts', 'packages/postgres/src/**/*.ts'],
      reporter: ['text-summary', 'html'],
      thresholds: {
        'packages/core/src/**/*.ts': { lines: 85 },
        'packages/postgres/src/**/*.ts': { lines: 85 },
      },
    },
  },
})
