import { cacheFolder } from './cache.ts'
import { install, installations, placeOf } from './install.ts'

const json = process.argv.includes('--json')
try {
  const made = await install(installations, (line) => process.stderr.write(`${line}\n`))
  const installed = installations.map(placeOf)
  const answer = json
    ? JSON.stringify({ folder: cacheFolder(), installed, made: made.map((name) => placeOf(name).folder) })
    : `Servers for the tests are in ${cacheFolder()}.`
  process.stdout.write(`${answer}\n`)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
