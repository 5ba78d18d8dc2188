// Sending and checking the messages of messages.def. Uses recvmsg and sendmsg only, since workers may do no more.
#include "message.h"

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

static const struct {
  const char *name;
  size_t size;
  mf_side to;
  uint32_t descriptors;
} list[MF_MESSAGE_COUNT] = {
#define MF_MESSAGE(NAME, name, from, to, descriptors) \
  [MF_MESSAGE_##NAME] = {#NAME, offsetof(mf_message, name) + sizeof(struct mf_message_##name), MF_SIDE_##to, descriptors},
#include "messages.def"
#undef MF_MESSAGE
};

bool mf_message_send(int socket, const mf_message *message, const int *fds, mf_error *err) {
  return mf_send_fds(socket, message, list[message->kind].size, fds, list[message->kind].descriptors, err) ||
         mf_wrap(err, "message %s", list[message->kind].name);
}

static bool is_right(const mf_message *message, size_t len, mf_side me, size_t n_fds, mf_error *err) {
  if (len < offsetof(mf_message, answered) || message->kind == MF_MESSAGE_NONE || message->kind >= MF_MESSAGE_COUNT)
    return mf_fail(err, MF_Internal, "a message of %zu bytes that is on no list", len);
  if (list[message->kind].to != me) return mf_fail(err, MF_Internal, "message %s is not for us", list[message->kind].name);
  if (list[message->kind].size != len || list[message->kind].descriptors != n_fds)
    return mf_fail(err, MF_Internal, "message %s has %zu bytes and %zu descriptors, expected %zu and %u", list[message->kind].name, len,
                   n_fds, list[message->kind].size, list[message->kind].descriptors);
  return true;
}

mf_received mf_message_receive(int socket, mf_side me, mf_message *message, int fds[MF_MESSAGE_MAX_FDS], mf_error *err) {
  size_t n_fds = MF_MESSAGE_MAX_FDS;
  *message = (mf_message){0};
  errno = 0;
  const ssize_t len = mf_recv_fds(socket, message, sizeof *message, fds, &n_fds, err);
  if (len == 0 || (len < 0 && errno == ECONNRESET)) return MF_RECEIVED_END;  // reset: it ended without reading everything
  if (len < 0) return err->code == MF_OK ? MF_RECEIVED_NOTHING : MF_RECEIVED_WRONG;
  if (is_right(message, (size_t)len, me, n_fds, err)) return MF_RECEIVED;
  for (size_t i = 0; i < n_fds; i++) close(fds[i]);
  return MF_RECEIVED_WRONG;
}
