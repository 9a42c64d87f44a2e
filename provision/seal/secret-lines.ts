// Tells which lines of environment files sealing takes for secrets: the same rules as in guest/credentials.sh, for
// modules that write such lines on purpose.

const secretName = /[A-Z0-9_]*(TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY)[A-Z0-9_]*=["']?[^\s"']/;
const leadsToSecret = /(_FILE|_PATH|_DIR|_URL|_URI|_TYPE|_ID|_NAME|_HELPER|_COMMAND)=|=["']?[$`]/;
const countsTokens = /^(export )?([A-Z0-9_]*TOKENI[SZ][A-Z0-9_]*=[^\s;]*|[A-Z0-9_]*TOKENS=["']?[0-9]+["']?)$/;
const passwordInAddress = /:\/\/[^/@:\s]+:[^/@\s$<{%][^/@\s]*@/;

/** Whether sealing removes this line of /etc/environment, /etc/profile.d and the like. */
export function isSecretLine(line: string): boolean {
  const named = secretName.test(line) && !leadsToSecret.test(line) && !countsTokens.test(line);
  return named || passwordInAddress.test(line);
}
