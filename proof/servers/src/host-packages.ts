import { existsSync } from 'node:fs'
import { run } from './commands.ts'

/** A Java is some 100 MB, and another apt may be at work. */
const timeoutMs = 15 * 60_000

/** A program that has to be on the host, and the package of Debian that has it. */
export interface HostProgram {
  readonly file: string
  readonly package: string
}

/** The packages that have to be installed on the host for these programs. */
export function missingPackages(programs: readonly HostProgram[]): string[] {
  return programs.filter(({ file }) => !existsSync(file)).map((program) => program.package)
}

/** Installs packages on the host by apt, and reads apt's lists anew when it does not know them. */
export async function installOnHost(packages: readonly string[]): Promise<void> {
  if (packages.length === 0) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = ['apt-get', '-o', `DPkg::Lock::Timeout=${timeoutMs / 1000}`]
  const install = [...apt, 'install', '--yes', '--no-install-recommends', ...packages]
  try {
    await run(install, { timeoutMs, env })
  } catch {
    await run([...apt, 'update'], { timeoutMs, env })
    await run(install, { timeoutMs, env })
  }
}
