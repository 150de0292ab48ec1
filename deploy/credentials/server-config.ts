/** File in the folder of keys that nats-server includes. */
export const SERVER_CONFIG = "nats-auth.conf";
