// Plain old JavaScript: it has to run on the versions it turns away.
const needed = [22, 22]
const [major, minor] = process.versions.node.split('.').map(Number)

if (major < needed[0] || (major === needed[0] && minor < needed[1])) {
  console.error(
    'Acuse needs Node ' +
      needed.join('.') +
      ' or newer, and this is ' +
      process.version +
      ' (' +
      process.execPath +
      ').\n' +
      'On Linux x64 `npm ci` brings one along, which every `npm run` then uses; run it without --omit=optional.\n' +
      'Elsewhere install one from https://nodejs.org and try again.',
  )
  process.exit(1)
}
