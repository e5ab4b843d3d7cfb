/**
 * The environment for PostgreSQL's programs: this process's own without the variables that would change what they do
 * (PGDATA, PGPORT, PGOPTIONS, …), and with messages in English, since some are recognised by their text.
 */
export function postgresEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(PG|LC_|LANG)/.test(name))
  return { ...Object.fromEntries(kept), LC_ALL: 'C' }
}
