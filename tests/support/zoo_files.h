/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_TESTS_ZOO_FILES_H
#define ASSAY_TESTS_ZOO_FILES_H

/* Small files of each kind that the zoo takes in. */

#define ZOO_MODELS                                                          \
    "name,architecture,family,dataset,classes,weights_url,parameters,top1," \
    "top5,year,provenance\r\n"                                              \
    "a/one,ResNet-18,ResNet,CIFAR-10,10,http://x/1 http://x/2,11173962,"    \
    "95.37,,2016,o/r@1:p\r\n"                                               \
    "a/two,VGG-19,VGG,cifar10,10,http://x/3,,77.3,99.1,,o/r@1:p\r\n"

#define ZOO_SECURITYNET                                                     \
    "model_name,family,dataset,data_category,classes,training_size,"        \
    "train_accuracy,test_accuracy,steal_accuracy,steal_agreement,"          \
    "mia_correctness_auc,mia_mentropy_auc,year,purpose,table,note\n"        \
    "same,resnet,CIFAR-10,natural,10,50000,0.9,0.8,.7,.71,.55,.56,2016,"    \
    "benchmark,benchmark,\n"                                                \
    "same,resnet,CIFAR-10,natural,10,50000,0.91,0.79,.69,.7,.56,.57,2016,"  \
    "benchmark,benchmark,\n"                                                \
    "blood,resnet,bloodmnist,medical,8,11959,0,0.95,.9,.91,0,0,2021,other," \
    "benchmark,\n"                                                          \
    "svhn,resnet,SVHN,digit,10,73257,0.999,0.97,.93,.94,.51,.5,2016,"       \
    "benchmark,benchmark,\n"                                                \
    "robust,resnet,ImageNet1k,natural,1000,1281167,.7,.6,nan,nan,.55,.56,"  \
    "2020,security,security,\n"

#define ZOO_TIMM                                                      \
    "model,top1,top1_err,top5,top5_err,param_count,img_size,"         \
    "crop_pct,interpolation\n"                                        \
    "eva.x,89.466,10.534,98.826,1.174,\"1,013.01\",336,1.0,bicubic\n" \
    "tiny.y,57.1,42.9,80.2,19.8,0.73,224,0.875,bilinear\n"

#define ZOO_ENTRY                                                           \
    "{\"link\": \"https://arxiv.org/abs/1\", \"name\": \"A Paper\", "       \
    "\"additional_data\": true, \"number_forward_passes\": 1, "             \
    "\"dataset\": \"cifar10\", \"venue\": \"NeurIPS 2019\", "               \
    "\"architecture\": \"WideResNet-28-10\", \"eps\": \"8/255\", "          \
    "\"clean_acc\": \"89.69\", \"reported\": \"62.5\", \"footnote\": null," \
    " \"autoattack_acc\": \"59.53\"}"

#define ZOO_CARD                                               \
    "---\nlicense: mit\ndatasets:\n- cifar10\n- other\n"       \
    "library_name: timm\npipeline_tag: image-classification\n" \
    "unknown: {a: [1, 2]}\n"                                   \
    "model-index:\n- name: my-net\n  results:\n"               \
    "  - task: {type: image-classification}\n"                 \
    "    dataset: {type: cifar10, name: CIFAR 10}\n"           \
    "    metrics:\n    - {type: accuracy, value: 93.1}\n"      \
    "    - {type: f1, value: 0.93}\n---\n# Prose: [not YAML\n"

#endif
