import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { mirror } from '../src/debian/mirror.ts'
import { temporaryFolder } from './support.ts'

const publicMirror = 'http://deb.debian.org/debian'

/** The mirror that is found in a folder as /etc/apt, with these files. */
async function mirrorOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), content)
  }
  return await mirror(folder)
}

test('the mirror is the one that apt has for Debian itself, whichever way it is written', async () => {
  const list = `
# deb http://commented.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
deb [arch=amd64 signed-by=/a.gpg] https://packages.example/debian bookworm-pgdg main
deb-src http://sources.example/debian bookworm main
deb [arch=amd64] http://mirror.example/debian/ bookworm contrib main # near
`
  expect(await mirrorOf({ 'sources.list': list })).toBe('http://mirror.example/debian')

  const sources = `Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

# The near one.
Types: deb deb-src
URIs:
 https://mirror.example/debian
 https://other.example/debian
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
`
  expect(await mirrorOf({ 'sources.list.d/debian.sources': sources })).toBe('https://mirror.example/debian')
})

test('without a mirror in what apt has it is the public one', async () => {
  expect(await mirrorOf({})).toBe(publicMirror)
  expect(await mirrorOf({ 'sources.list': 'deb http://archive.example/ubuntu noble main\n' })).toBe(publicMirror)
  expect(await mirrorOf({ 'sources.list': 'deb cdrom:[Debian]/ bookworm main\n' })).toBe(publicMirror)
  const disabled = {
    'sources.list.d/debian.sources.off': 'Types: deb\nURIs: http://a.example\nSuites: sid\nComponents: main\n',
  }
  expect(await mirrorOf(disabled)).toBe(publicMirror)
})
