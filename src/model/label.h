/* What a model is called in reports, by where it lies. */
#ifndef IFM_MODEL_LABEL_H
#define IFM_MODEL_LABEL_H

/* A GGUF is called after its file, without ".gguf"; anything else after its directory, since
 * "model.safetensors" says little; a snapshot in the hub's cache
 * (models--org--name/snapshots/COMMIT) after its repository: "name". Links to files are not
 * followed: in that cache they lead to names that are hashes. A heap string; NULL without
 * memory. */
char *ifm_model_label(const char *path);

#endif
